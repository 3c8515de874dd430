// Package github publishes a run's workspace as a repository on GitHub.
package github

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says which hosts can be published to.
type Config struct {
	Hosts       map[string]Host // by the host that stands in repoUrl, e.g. github.com
	AuthorName  string          // of commits; default Gildway
	AuthorEmail string          // default gildway@localhost
}

// Host is how to reach one GitHub.
type Host struct {
	APIBaseURL string // default https://api.github.com
	Token      secrets.Secret
}

// Publisher makes repositories. It connects when it is first used.
type Publisher struct {
	config Config
	named  bool // whether the configuration says who makes commits
	http   *http.Client
}

// New makes a publisher. The zero Config is good for declarations only.
func New(config Config) *Publisher {
	named := config.AuthorName != "" || config.AuthorEmail != ""
	if config.AuthorName == "" {
		config.AuthorName = "Gildway"
	}
	if config.AuthorEmail == "" {
		config.AuthorEmail = "gildway@localhost"
	}
	return &Publisher{config: config, named: named, http: &http.Client{Transport: fault.Provider{Name: "GitHub"}, Timeout: 2 * time.Minute}}
}

// target is a repository as a template names it: host?owner=o&repo=r.
type target struct{ host, owner, repo string }

func (t target) String() string { return t.owner + "/" + t.repo }

var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,37}[A-Za-z0-9])?$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

func parseTarget(repoURL string) (target, error) {
	u, err := url.Parse("https://" + strings.TrimPrefix(repoURL, "https://"))
	if err != nil {
		return target{}, fault.New(fault.Invalid, "repoUrl is not of the form github.com?owner=acme-org&repo=my-service")
	}
	t := target{host: u.Host, owner: u.Query().Get("owner"), repo: u.Query().Get("repo")}
	switch {
	case t.host == "":
		return target{}, fault.New(fault.Invalid, "repoUrl names no host; write github.com?owner=acme-org&repo=my-service")
	case !ownerName.MatchString(t.owner):
		return target{}, fault.New(fault.Invalid, "repoUrl names no valid owner; write %s?owner=acme-org&repo=my-service", t.host)
	case !repoName.MatchString(t.repo), strings.Trim(t.repo, ".") == "", strings.HasSuffix(t.repo, ".git"):
		return target{}, fault.New(fault.Invalid, "repoUrl names no valid repository; write %s?owner=%s&repo=my-service", t.host, t.owner)
	}
	return t, nil
}

// session is a GitHub that is ready to be spoken to.
type session struct {
	target
	api   *github.Client
	token secrets.Secret
	http  *http.Client
}

// session speaks to the target's host, with its integration's token unless another is given.
func (p *Publisher) session(t target, token string) (*session, error) {
	host, known := p.config.Hosts[t.host]
	if !known {
		return nil, fault.New(fault.Invalid, "no GitHub integration is configured for the host %s", t.host)
	}
	if token != "" {
		host.Token = secrets.New(token)
	}
	if host.Token.Empty() {
		return nil, fault.New(fault.Invalid, "the GitHub integration of %s has no token", t.host)
	}
	s := &session{target: t, http: p.http}
	return s, s.connect(host)
}

// connect prepares for speaking to a host with its token.
func (s *session) connect(host Host) error {
	s.token = host.Token
	s.api = github.NewClient(s.http).WithAuthToken(host.Token.Reveal())
	s.api.DisableRateLimitCheck = true // fault.Provider reads the limits; the workflow waits
	if host.APIBaseURL != "" {
		base, err := url.Parse(strings.TrimSuffix(host.APIBaseURL, "/") + "/")
		if err != nil || !confidential(base) {
			return fault.New(fault.Invalid, "the GitHub integration of %s needs an https URL", s.host)
		}
		s.api.BaseURL = base
	}
	return nil
}

// confidential reports whether a token may be sent to u.
func confidential(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// get reads the repository; nil if there is none that our credential can see.
func (s *session) get(ctx context.Context) (*github.Repository, error) {
	repo, _, err := s.api.Repositories.Get(ctx, s.owner, s.repo)
	switch {
	case errors.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, typed(err)
	case !strings.EqualFold(repo.GetName(), s.repo) || !strings.EqualFold(repo.GetOwner().GetLogin(), s.owner):
		return nil, fault.New(fault.Conflict, "the repository %s was renamed to %s", s, repo.GetFullName()) // GitHub redirects
	}
	return repo, nil
}

// typed makes sure that what comes out of the SDK is a fault.
func typed(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "GitHub's answer can't be read")
}
