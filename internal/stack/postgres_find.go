package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const oldestPostgres = 15

// postgresBin is a folder with the server's programs.
type postgresBin struct {
	dir   string
	major int
}

var postgresVersion = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// findPostgres returns programs of the wanted major version, or of any that is
// new enough when wanted is 0: from PATH first, then the newest elsewhere.
func findPostgres(ctx context.Context, wanted int) (postgresBin, bool) {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		// Distributions link single programs into PATH; the rest is beside the original.
		if program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dirs = append(dirs, filepath.Dir(program))
		}
	}
	var elsewhere []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		elsewhere = append(elsewhere, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		elsewhere = append(elsewhere, found...)
	}
	if bin, ok := pickPostgres(probePostgres(ctx, dirs), wanted, false); ok {
		return bin, true
	}
	return pickPostgres(probePostgres(ctx, elsewhere), wanted, true)
}

func probePostgres(ctx context.Context, dirs []string) []postgresBin {
	var bins []postgresBin
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		if m := postgresVersion.FindSubmatch(out); m != nil {
			major, err := strconv.Atoi(string(m[1]))
			if err == nil {
				bins = append(bins, postgresBin{dir, major})
			}
		}
	}
	return bins
}

func pickPostgres(bins []postgresBin, wanted int, newest bool) (postgresBin, bool) {
	bins = slices.DeleteFunc(slices.Clone(bins), func(b postgresBin) bool {
		return b.major < oldestPostgres || wanted != 0 && b.major != wanted
	})
	if len(bins) == 0 {
		return postgresBin{}, false
	}
	if newest {
		slices.SortStableFunc(bins, func(a, b postgresBin) int { return b.major - a.major })
	}
	return bins[0], true
}

// needPostgres finds the programs, or installs them where that is possible.
func needPostgres(ctx context.Context, wanted int, r *reporter) (postgresBin, error) {
	if bin, ok := findPostgres(ctx, wanted); ok {
		return bin, nil
	}
	if wanted != 0 {
		return postgresBin{}, fmt.Errorf("the data in the state directory is of PostgreSQL %d, whose programs are not here: "+
			"install them, or start with another --state-dir", wanted)
	}
	help := fmt.Errorf("PostgreSQL %d or newer is needed and was not found: install it "+
		"(Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@17), "+
		"or name a running server with --postgres URL", oldestPostgres)
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return postgresBin{}, help
	}
	if err := installPostgres(ctx, r); err != nil {
		return postgresBin{}, errors.Join(help, err)
	}
	if bin, ok := findPostgres(ctx, 0); ok {
		return bin, nil
	}
	return postgresBin{}, help
}

// installPostgres gets the programs from the distribution and keeps the
// package from making and starting a cluster of its own.
func installPostgres(ctx context.Context, r *reporter) error {
	const dir, noCluster = "/etc/postgresql-common/createcluster.d", "/etc/postgresql-common/createcluster.d/gildway.conf"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(noCluster, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return err
	}
	defer os.Remove(noCluster)
	runtime.LockOSThread() // the child is told when this thread ends
	defer runtime.UnlockOSThread()
	stop := every(progressEvery, func() { r.doing("installing PostgreSQL with apt-get") })
	defer stop()
	for _, args := range [][]string{
		{"update"},
		{"install", "-y", "--no-install-recommends", "postgresql"},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		// Asked to end it finishes the package it is at; killed it would leave that half configured.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.SysProcAttr = processAttr(syscall.SIGINT)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), cmp.Or(ctx.Err(), err), tailOf(string(out), 2000))
		}
	}
	return nil
}

func tailOf(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) > most {
		return "… " + text[len(text)-most:]
	}
	return text
}
