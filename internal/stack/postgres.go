package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const postgresUser = "gildway"

// startPostgres runs a server of the stack's own. It listens on loopback only
// and wants a password from everybody.
func (s *Stack) startPostgres(ctx context.Context) (database, error) {
	r := report("postgres", s.progress)
	account, err := s.postgresAccount()
	if err != nil {
		return database{}, err
	}
	data := filepath.Join(account.home, "data")
	wanted, err := dataVersion(data)
	if err != nil {
		return database{}, err
	}
	bin, err := needPostgres(ctx, wanted, r)
	if err != nil {
		return database{}, err
	}
	r.doing("found PostgreSQL %d: %s", bin.major, bin.dir)
	password, err := s.dir.password("postgres")
	if err != nil {
		return database{}, err
	}
	if wanted == 0 {
		r.doing("creating the database cluster")
		if err := initCluster(ctx, bin, account, data, password); err != nil {
			return database{}, err
		}
	}
	db := database{url: (&url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, password),
		Host: address(s.Ports.Postgres), Path: "/" + MainDatabase, RawQuery: "sslmode=disable",
	}).String()}
	_, err = s.Run("postgres", Command{
		Path: filepath.Join(bin.dir, "postgres"),
		Args: []string{
			"-D", data,
			"-c", "listen_addresses=" + loopback,
			"-c", "port=" + strconv.Itoa(s.Ports.Postgres),
			// Loopback is enough, and a socket's path may have 107 bytes only.
			"-c", "unix_socket_directories=",
			"-c", "max_connections=200",
			"-c", "shared_buffers=128MB",
			"-c", "logging_collector=off",
		},
		Dir: account.home,
		// The user's PGDATA, PGPORT and so on are about another server.
		CleanEnv: true, Env: []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"},
		StopSignal:    syscall.SIGINT, // "fast": open connections are cut
		onParentDeath: syscall.SIGINT,
		attr:          account.apply,
		prepare:       func(ctx context.Context) error { return clearPostmaster(ctx, data) },
		Ready:         db.answers,
	})
	return db, err
}

// dataVersion is the major version that the cluster was made by, 0 when there is none.
func dataVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// initCluster makes the cluster beside its place and moves it there when it is
// complete, so that an interrupted start leaves nothing half done.
func initCluster(ctx context.Context, bin postgresBin, account account, data, password string) error {
	unfinished, pwfile := data+".new", filepath.Join(account.home, "pwfile")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := WriteFile(pwfile, []byte(password+"\n")); err != nil {
		return err
	}
	defer os.Remove(pwfile)
	if err := account.own(pwfile); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin.dir, "initdb"), "-D", unfinished, "-U", postgresUser,
		"--pwfile", pwfile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions")
	cmd.Dir = account.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = processAttr(syscall.SIGTERM)
	account.apply(cmd.SysProcAttr)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", cmp.Or(ctx.Err(), err), tailOf(string(out), 2000))
	}
	return os.Rename(unfinished, data)
}

// clearPostmaster lets a start succeed after a crash. A server that still runs
// on the data is stopped; its children are waited for. Postgres clears a stale
// postmaster.pid itself, unless the id was given to another process since.
func clearPostmaster(ctx context.Context, data string) error {
	file := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return os.Remove(file)
	}
	id, err := processIdentity(pid)
	alive := err == nil
	ours := alive && strings.Contains(commandLine(pid), data)
	if ours {
		orphan := record{Name: "postgres", PID: pid, Stop: syscall.SIGINT, identity: id}
		if err := orphan.end(ctx); err != nil {
			return err
		}
	}
	if err := poll(ctx, 30*time.Second, func() bool { return len(processesIn(data)) == 0 }); err != nil {
		return fmt.Errorf("processes of an earlier Postgres still use %s: %w", data, err)
	}
	if alive && !ours {
		if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
