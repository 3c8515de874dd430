package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// gitStore keeps bare repositories under their number, so that no name ever becomes a path.
type gitStore struct {
	root string
	bin  string
}

var errAbsent = errors.New("no such object")

// hook stops pushes to protected branches with the words GitHub uses.
const hook = `#!/bin/sh
case " $GILDWAY_PROTECTED " in
*" $1 "*)
	echo "error: GH006: Protected branch update failed for $1." >&2
	echo "error: Changes must be made through a pull request." >&2
	exit 1 ;;
esac
`

func openGitStore(dir string) (gitStore, error) {
	bin, err := exec.LookPath("git")
	if err != nil {
		return gitStore{}, fmt.Errorf("the GitHub double needs git on PATH: %w", err)
	}
	g := gitStore{root: dir, bin: bin}
	if err := os.MkdirAll(g.hooks(), 0o700); err != nil {
		return gitStore{}, err
	}
	return g, os.WriteFile(filepath.Join(g.hooks(), "update"), []byte(hook), 0o700)
}

func (g gitStore) hooks() string { return filepath.Join(g.root, "hooks") }
func (g gitStore) dir(id int64) string {
	return filepath.Join(g.root, strconv.FormatInt(id, 10)+".git")
}

// env isolates git from whatever the machine or its user has configured.
func (g gitStore) env() []string {
	settings := []string{
		"http.receivepack", "true",
		"receive.autogc", "false",
		"uploadpack.allowAnySHA1InWant", "true",
		"core.hooksPath", g.hooks(),
		"safe.directory", "*",
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.root, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings)/2),
	}
	for i := 0; i < len(settings); i += 2 {
		n := strconv.Itoa(i / 2)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+settings[i], "GIT_CONFIG_VALUE_"+n+"="+settings[i+1])
	}
	return env
}

func (g gitStore) command(ctx context.Context, id int64, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.bin, append([]string{"--git-dir=" + g.dir(id)}, args...)...)
	cmd.Env = append(g.env(),
		"GIT_AUTHOR_NAME="+actor, "GIT_AUTHOR_EMAIL=noreply@github.invalid",
		"GIT_COMMITTER_NAME="+actor, "GIT_COMMITTER_EMAIL=noreply@github.invalid")
	return cmd
}

func (g gitStore) run(ctx context.Context, id int64, stdin string, args ...string) (string, error) {
	cmd := g.command(ctx, id, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

func (g gitStore) create(ctx context.Context, id int64, branch string) error {
	_, err := g.run(ctx, id, "", "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch)
	return err
}

func (g gitStore) remove(id int64) error { return os.RemoveAll(g.dir(id)) }

func (g gitStore) setHead(ctx context.Context, id int64, branch string) error {
	_, err := g.run(ctx, id, "", "symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// firstCommit puts a README on a branch, as auto_init does.
func (g gitStore) firstCommit(ctx context.Context, id int64, branch, readme string) error {
	blob, err := g.run(ctx, id, readme, "hash-object", "-w", "--stdin")
	if err != nil {
		return err
	}
	tree, err := g.run(ctx, id, "100644 blob "+strings.TrimSpace(blob)+"\tREADME.md\n", "mktree")
	if err != nil {
		return err
	}
	commit, err := g.run(ctx, id, "", "commit-tree", "-m", "Initial commit", strings.TrimSpace(tree))
	if err != nil {
		return err
	}
	_, err = g.run(ctx, id, "", "update-ref", "refs/heads/"+branch, strings.TrimSpace(commit))
	return err
}

// refs reads all branches and tags.
func (g gitStore) refs(ctx context.Context, id int64) (map[string]string, error) {
	out, err := g.run(ctx, id, "", "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		name, sha, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[name] = sha
	}
	return refs, nil
}

var (
	refName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+@#-]{0,250}$`)
	fullSHA = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// resolve finds the commit of a branch, a tag, a full ref, a (short) hash or HEAD.
func (g gitStore) resolve(ctx context.Context, id int64, ref string) (string, error) {
	if !refName.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") {
		return "", errAbsent
	}
	candidates := []string{"refs/heads/" + ref, "refs/tags/" + ref}
	if ref == "HEAD" || strings.HasPrefix(ref, "refs/") || fullSHA.MatchString(ref) {
		candidates = append(candidates, ref)
	}
	if rest, ok := strings.CutPrefix(ref, "heads/"); ok {
		candidates = append(candidates, "refs/heads/"+rest)
	}
	for _, c := range candidates {
		out, err := g.run(ctx, id, "", "rev-parse", "--verify", "--quiet", c+"^{commit}")
		if err == nil {
			return strings.TrimSpace(out), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	return "", errAbsent
}

// object is a git object as cat-file shows it.
type object struct {
	sha  string
	kind string // blob, tree, commit
	data []byte
}

// object reads one by hash, or by "hash:path".
func (g gitStore) object(ctx context.Context, id int64, spec string) (object, error) {
	if strings.ContainsAny(spec, "\n\x00") {
		return object{}, errAbsent
	}
	out, err := g.run(ctx, id, spec+"\n", "cat-file", "--batch")
	if err != nil {
		return object{}, err
	}
	head, data, _ := strings.Cut(out, "\n")
	fields := strings.Fields(head)
	if len(fields) != 3 || strings.HasSuffix(head, " missing") || strings.HasSuffix(head, " ambiguous") {
		return object{}, errAbsent
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size > len(data) {
		return object{}, fmt.Errorf("git cat-file: unexpected answer %q", head)
	}
	return object{sha: fields[0], kind: fields[1], data: []byte(data[:size])}, nil
}

// entry is one line of a tree.
type entry struct {
	mode, kind, sha, path string
	size                  int64
}

func (g gitStore) tree(ctx context.Context, id int64, sha string, recursive bool) ([]entry, error) {
	args := []string{"ls-tree", "-z", "--long"}
	if recursive {
		args = append(args, "-r", "-t")
	}
	out, err := g.run(ctx, id, "", append(args, sha)...)
	if err != nil {
		return nil, err
	}
	var all []entry
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		meta, path, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			continue
		}
		size, _ := strconv.ParseInt(fields[3], 10, 64)
		all = append(all, entry{mode: fields[0], kind: fields[1], sha: fields[2], size: size, path: path})
	}
	return all, nil
}

// archive writes a gzipped tar of a commit, everything below prefix.
func (g gitStore) archive(ctx context.Context, id int64, sha, prefix string, to io.Writer) error {
	cmd := g.command(ctx, id, "archive", "--format=tar.gz", "--prefix="+prefix+"/", sha)
	cmd.Stdout = to
	return cmd.Run()
}
