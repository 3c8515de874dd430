package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/gildway/gildway/activities/fetch/guard"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Commit is a state of a repository that never changes.
type Commit struct {
	ID     string
	Author string
	At     time.Time
}

// Pinned is what a URL of a repository means at this moment.
type Pinned struct {
	Commit
	Named *url.URL // the URL with its ref: the one it names, or else that of the default branch
	URL   *url.URL // the same at the commit
}

// Below gives the URLs of a file of the folder.
func (p Pinned) Below(name string) (named, pinned string) {
	return below(p.Named, name), below(p.URL, name)
}

func below(at *url.URL, name string) string {
	inside := *at
	inside.Path = path.Join(at.Path, name)
	inside.RawPath = path.Join(at.EscapedPath(), escaped(name))
	return inside.String()
}

// Pin finds the commit that a URL of a repository stands for now.
func (s *Sources) Pin(ctx context.Context, at *url.URL) (Pinned, error) {
	r, err := s.reader(at)
	switch {
	case err != nil:
		return Pinned{}, err
	case r == nil:
		return Pinned{}, noRepository(at)
	}
	p, err := s.place(ctx, *r, at, secrets.Secret{})
	if err != nil {
		return Pinned{}, err
	}
	endpoint, read := r.commit(r.APIBaseURL, p)
	body, err := s.get(ctx, endpoint, "application/json", at, r.authorization(secrets.Secret{}))
	if err != nil {
		return Pinned{}, err
	}
	defer func() { _ = body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(body, 4<<20))
	if err != nil {
		return Pinned{}, fault.Wrap(fault.Unavailable, err, "%s doesn't tell the commit of %s to its end", at.Host, guard.Shown(at))
	}
	pinned := Pinned{Commit: read(answer)}
	if !isCommit(pinned.ID) {
		return Pinned{}, fault.New(fault.Unavailable, "%s doesn't tell which commit %s is", at.Host, guard.Shown(at))
	}
	if _, server := r.vendor.(bitbucketServer); !server {
		p.ref = cmp.Or(p.ref, "HEAD")
	}
	pinned.Named = r.at(at, p)
	p.ref = pinned.ID
	pinned.URL = r.at(at, p)
	return pinned, nil
}

// Repository takes a URL apart: the repository at the ref that the URL names, and what it names inside of it; "." is all.
func (s *Sources) Repository(at *url.URL) (root *url.URL, inside string, err error) {
	r, err := s.reader(at)
	switch {
	case err != nil:
		return nil, "", err
	case r == nil:
		return nil, "", noRepository(at)
	}
	p, err := r.locate(at)
	if err != nil {
		return nil, "", err
	}
	inside, p.path = p.path, "."
	return r.at(at, p), inside, nil
}

func noRepository(at *url.URL) error {
	return fault.New(fault.Invalid, "%s is no repository: no integration is configured for %s", guard.Shown(at), at.Host)
}

// Tree reads the folder that a URL names, with the configured credentials. The caller calls done when it has read it.
func (s *Sources) Tree(ctx context.Context, at *url.URL) (_ fs.FS, done func(), err error) {
	return s.tree(ctx, at, secrets.Secret{})
}

func (r repositories) at(host *url.URL, p place) *url.URL {
	parts, query := r.link(p)
	at := &url.URL{Scheme: host.Scheme, Host: host.Host, Path: "/" + strings.Join(parts, "/"), RawQuery: query.Encode()}
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	at.RawPath = "/" + strings.Join(parts, "/")
	return at
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

func isCommit(ref string) bool { return commitID.MatchString(ref) }

// asGitHubCommit reads a commit in the form of GitHub's API, which Gitea's shares.
func asGitHubCommit(answer []byte) Commit {
	var c struct {
		SHA    string
		Commit struct {
			Author    struct{ Name string }
			Committer struct{ Date time.Time }
		}
	}
	_ = json.Unmarshal(answer, &c) // an empty id is told apart by the caller
	return Commit{ID: c.SHA, Author: c.Commit.Author.Name, At: c.Commit.Committer.Date}
}
