// Command bench measures what "fast" means for Gildway and prints one table of ratios, so that a number
// from one machine says something on another: what is measured and what it is held against run in the
// same process, in turns, on the same servers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

// limit is for a machine that does nothing but stand still; the suite takes about two minutes.
const limit = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, os.Stdout, os.Args[1:])
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the named parts; all if none is named.
func run(ctx context.Context, out io.Writer, only []string) error {
	began, before := time.Now(), load()
	registry := worker.Registry(config.Config{}, templates.Golden())
	actions := templates.Actions{}
	for _, info := range registry.Infos() {
		actions[info.ID] = info
	}
	var rows []row
	for _, part := range []struct {
		what    string
		measure func() ([]row, error)
	}{
		{"the compiler", func() ([]row, error) { return compiling(ctx, actions) }},
		{"rendering", func() ([]row, error) { return rendering(ctx, registry) }},
		{"runs", func() ([]row, error) { return running(ctx, actions, out) }},
		{"streams", func() ([]row, error) { return streaming(ctx, actions, out) }},
	} {
		if len(only) > 0 && !slices.Contains(only, part.what) {
			continue
		}
		fmt.Fprintln(out, "measuring", part.what)
		measured, err := part.measure()
		if err != nil {
			return fmt.Errorf("measuring %s: %w", part.what, errors.Join(context.Cause(ctx), err))
		}
		rows = append(rows, measured...)
	}
	if len(rows) == 0 {
		return fmt.Errorf("no part is named %s", strings.Join(only, ", "))
	}
	fmt.Fprintf(out, "\n%s/%s, %d cores, %s; load average before %s, after %s; took %s.\n", runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), runtime.Version(), before, load(), time.Since(began).Round(time.Second))
	fmt.Fprint(out, legend)
	return printTable(out, rows)
}

const legend = `Medians; less is better unless marked. A run counts from its acceptance in Postgres to its result. By hand
means a Temporal workflow with as many steps that keeps no task, no log and no audit and evaluates nothing.

`

// load is what else the machine has to do: the load average of the last minute, where the system tells.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
