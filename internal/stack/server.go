package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ServersDirEnv names the folder with the server modules (deploy/servers of a
// checkout), for a gildway binary that runs outside of one.
const ServersDirEnv = "GILDWAY_SERVERS_DIR"

// server is one that is built from a Go module under deploy/servers.
type server struct {
	name    string
	version string
	// command is the name that is looked for in PATH.
	command string
	// prints matches what a fitting binary answers to --version.
	prints *regexp.Regexp
	// target is the main package, tags the build tags.
	target string
	tags   string
}

var servers = map[string]server{
	"temporal": {
		name: "temporal", version: "1.32.1", command: "gildway-temporal-server",
		prints: regexp.MustCompile(`^gildway temporal-server 1\.32\.1\b`),
		target: ".",
	},
	"vault": {
		name: "vault", version: "1.21.1", command: "vault",
		prints: regexp.MustCompile(`^Vault v1\.21\.\d+\b`),
		target: "github.com/hashicorp/vault", tags: "minimal",
	},
}

// Servers lists the names that Find and Build know.
func Servers() []string { return []string{"temporal", "vault"} }

// Build returns the path of the named server's binary: from PATH when the
// version there fits, else from the cache, else built into the cache.
// Two processes that build at once share one build.
func Build(ctx context.Context, name string, progress func(Progress)) (string, error) {
	s, ok := servers[name]
	if !ok {
		return "", fmt.Errorf("stack: unknown server %q, known are %s", name, strings.Join(Servers(), ", "))
	}
	r := report(name, progress)
	if path, ok := s.find(ctx); ok {
		r.finished("found %s %s: %s", name, s.version, path)
		return path, nil
	}
	source, err := s.source()
	if err != nil {
		return "", err
	}
	return s.build(ctx, source, r)
}

// Find returns the binary that Build would return without building it.
func Find(ctx context.Context, name string) (path string, ok bool) {
	s, known := servers[name]
	if !known {
		return "", false
	}
	return s.find(ctx)
}

func (s server) find(ctx context.Context) (string, bool) {
	if path, err := exec.LookPath(s.command); err == nil && s.fits(ctx, path) {
		return path, true
	}
	path, err := s.cached()
	return path, err == nil && s.current(path) && s.fits(ctx, path)
}

// fits asks the binary for its version.
func (s server) fits(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && s.prints.Match(out)
}

// cached is the binary's place in the user's cache.
func (s server) cached() (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(cache) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "gildway", s.name+"-"+s.version), nil
}

// sourceMark is the file beside a built binary that says from which source it is.
func sourceMark(binary string) string { return binary + ".source" }

// current reports whether the binary was built from the source at hand. One
// that was put there by hand has no mark; without source there is nothing newer.
func (s server) current(binary string) bool {
	mark, err := os.ReadFile(sourceMark(binary))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	source, err := s.source()
	if err != nil {
		return true
	}
	hash, err := hashSource(source)
	return err == nil && hash == strings.TrimSpace(string(mark))
}

// source finds the server's module: in the folder that the environment names,
// else in the checkout around the executable or the working directory.
func (s server) source() (string, error) {
	if dir := os.Getenv(ServersDirEnv); dir != "" {
		if source := filepath.Join(dir, s.name); s.isSource(source) {
			return source, nil
		}
		return "", fmt.Errorf("%s=%s has no module %s", ServersDirEnv, dir, s.name)
	}
	var from []string
	if exe, err := os.Executable(); err == nil {
		from = append(from, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		from = append(from, wd)
	}
	for _, dir := range from {
		for ; ; dir = filepath.Dir(dir) {
			if source := filepath.Join(dir, "deploy", "servers", s.name); s.isSource(source) {
				return source, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("%s %s is neither in PATH (as %s) nor in the cache, and its source was not found: "+
		"run this in a checkout of Gildway, or set %s to the checkout's deploy/servers", s.name, s.version, s.command, ServersDirEnv)
}

func (s server) isSource(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && slices.Contains(strings.Split(string(text), "\n"), "module github.com/gildway/gildway/deploy/servers/"+s.name)
}

// hashSource is a short name for the content of the module's files.
func hashSource(dir string) (string, error) {
	h := sha256.New()
	for _, pattern := range []string{"go.mod", "go.sum", "*.go"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		slices.Sort(files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n%s", filepath.Base(file), len(text), text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
