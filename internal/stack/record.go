package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// identity tells a process from a later one that was given the same id. The command line is no part of it: just
// after its start a process still has its parent's, and some change theirs.
type identity struct {
	Boot    string `json:"boot,omitempty"` // of the machine; where Started counts from it
	Started string `json:"started"`
}

// record is what is written down of a running child, so that the next start
// can stop what a crashed stack left behind, and nothing else.
type record struct {
	Name string         `json:"name"`
	PID  int            `json:"pid"`
	Stop syscall.Signal `json:"stop"`
	// At orders the children: the last started is stopped first.
	At time.Time `json:"at"`
	identity
}

func newRecord(name string, pid int, stop syscall.Signal) (record, error) {
	id, err := processIdentity(pid)
	return record{Name: name, PID: pid, Stop: stop, At: time.Now(), identity: id}, err
}

func (r record) write(file string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return WriteFile(file, text)
}

// running reports whether the very process that was recorded still runs.
func (r record) running() bool {
	id, err := processIdentity(r.PID)
	return err == nil && id == r.identity
}

// stopLeftovers ends the recorded processes that still run, the youngest first.
func stopLeftovers(ctx context.Context, dir string, log *slog.Logger) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	var left []record
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var r record
		if err := json.Unmarshal(text, &r); err == nil && r.PID > 1 && r.running() {
			left = append(left, r)
		}
	}
	slices.SortFunc(left, func(a, b record) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) })
	for _, r := range left {
		log.Info("stopping what an earlier stack left behind", "child", r.Name, "pid", r.PID)
		if err := r.end(ctx); err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// end asks the process to stop and kills it when it doesn't.
func (r record) end(ctx context.Context) error {
	p, err := os.FindProcess(r.PID)
	if err != nil {
		return err
	}
	defer p.Release()
	for _, try := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{r.Stop, 10 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		if !r.running() {
			return nil
		}
		if err := p.Signal(try.signal); err != nil && r.running() {
			return err
		}
		if err := poll(ctx, try.wait, func() bool { return !r.running() }); err == nil {
			return nil
		}
	}
	return errors.New("stack: " + r.Name + " of an earlier stack can't be stopped")
}

// poll waits until the condition holds, for at most the given time.
func poll(ctx context.Context, limit time.Duration, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
