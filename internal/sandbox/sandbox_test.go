package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox"
)

var tokens = sandbox.Tokens{
	GitHub: "ghs_test", GitHubPerson: "ghu_test", Okta: "okta-test", ServiceNowUser: "gildway", ServiceNowPassword: "sn-password", ServiceNow: "sn-test", Catalog: "catalog-test",
	Slack: "xoxb-test", MailUser: "gildway", MailPassword: "mail-test",
}

// box is a sandbox on the net that can be stopped and opened again on the same state and URL.
type box struct {
	t   *testing.T
	dir string
	url string
	now atomic.Pointer[sandbox.Sandbox]
}

func start(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.now.Load().ServeHTTP(w, r) }))
	b.url = srv.URL
	b.open()
	t.Cleanup(func() {
		srv.Close()
		require.NoError(t, b.now.Load().Close())
	})
	return b
}

func (b *box) open() {
	b.t.Helper()
	s, err := sandbox.Open(sandbox.Options{Dir: b.dir, BaseURL: b.url, Tokens: tokens})
	require.NoError(b.t, err)
	b.now.Store(s)
}

func (b *box) restart() {
	b.t.Helper()
	require.NoError(b.t, b.now.Load().Close())
	b.open()
}

// did is how often an effect was counted, for one resource or, with "", in all.
func (b *box) did(effect, resource string) int64 {
	e := b.now.Load().Counts().Effects[effect]
	if resource == "" {
		return e.Total
	}
	return e.By[resource]
}

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	raw    []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(a.raw, &v), "%s", a.raw)
	return v
}

// call sends JSON with an Authorization header.
func (b *box) call(method, path, authorization string, body any) answer {
	b.t.Helper()
	a, err := b.try(method, path, authorization, body)
	require.NoError(b.t, err)
	return a
}

func (b *box) try(method, path, authorization string, body any) (answer, error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(b.t, err)
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, in)
	require.NoError(b.t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, raw}, err
}

// misbehave gives the desk of faults an order.
func (b *box) misbehave(rule map[string]any) {
	b.t.Helper()
	require.Equal(b.t, 201, b.call("POST", "/faults/rules", "", rule).status)
}

func (b *box) github() *github.Client {
	b.t.Helper()
	c, err := github.NewClient(nil).WithAuthToken(tokens.GitHub).WithEnterpriseURLs(b.url+"/github", b.url+"/github")
	require.NoError(b.t, err)
	return c
}

// repo creates a repository and answers its clone URL.
func (b *box) repo(name, visibility string) *github.Repository {
	b.t.Helper()
	r, _, err := b.github().Repositories.Create(b.t.Context(), "acme-org", &github.Repository{Name: &name, Visibility: &visibility})
	require.NoError(b.t, err)
	return r
}

// git runs the git program with nothing of the user's configuration.
func (b *box) git(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(b.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.org",
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *box) mustGit(dir string, args ...string) string {
	b.t.Helper()
	out, err := b.git(dir, args...)
	require.NoError(b.t, err, out)
	return strings.TrimSpace(out)
}

// signedIn puts the token into a clone URL.
func signedIn(cloneURL string) string {
	return strings.Replace(cloneURL, "http://", "http://x-access-token:"+tokens.GitHub+"@", 1)
}

// work makes a local repository with these files in one commit on main.
func (b *box) work(files map[string]string) string {
	b.t.Helper()
	dir := b.t.TempDir()
	b.mustGit(dir, "init", "--quiet", "--initial-branch=main")
	for name, content := range files {
		require.NoError(b.t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	b.mustGit(dir, "add", "--all")
	b.mustGit(dir, "commit", "--quiet", "--message", "initial commit")
	return dir
}

// published is a repository with these files pushed.
func (b *box) published(name, visibility string, files map[string]string) *github.Repository {
	b.t.Helper()
	r := b.repo(name, visibility)
	b.mustGit(b.work(files), "push", "--quiet", signedIn(r.GetCloneURL()), "main")
	return r
}
