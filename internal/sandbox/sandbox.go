package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/catalog"
	"github.com/gildway/gildway/internal/sandbox/faults"
	"github.com/gildway/gildway/internal/sandbox/github"
	"github.com/gildway/gildway/internal/sandbox/issuer"
	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/mail"
	"github.com/gildway/gildway/internal/sandbox/okta"
	"github.com/gildway/gildway/internal/sandbox/rest"
	"github.com/gildway/gildway/internal/sandbox/servicenow"
	"github.com/gildway/gildway/internal/sandbox/slack"
)

// Tokens are the credentials that the doubles accept. An empty one accepts nothing.
type Tokens struct {
	GitHub             string // bearer, "token" header, or password of any user over basic auth
	GitHubPerson       string // the same, of rosa herself
	Okta               string // SSWS or bearer
	ServiceNowUser     string // basic auth, with ServiceNowPassword
	ServiceNowPassword string
	ServiceNow         string // bearer
	Catalog            string // bearer; user tokens of the issuer are accepted as well
	Slack              string // bearer, or the parameter token
	MailUser           string // of the mail server, with MailPassword
	MailPassword       string
}

// String keeps tokens out of logs.
func (Tokens) String() string { return "(tokens)" }

// GoString keeps tokens out of logs.
func (Tokens) GoString() string { return "(tokens)" }

// LogValue keeps tokens out of logs.
func (Tokens) LogValue() slog.Value { return slog.StringValue("(tokens)") }

// MarshalJSON keeps tokens out of files.
func (Tokens) MarshalJSON() ([]byte, error) { return []byte(`"(tokens)"`), nil }

// Options are what a sandbox needs.
type Options struct {
	Dir       string // holds all state; survives kill -9
	BaseURL   string // under which clients reach the handler, e.g. http://127.0.0.1:7790
	Tokens    Tokens
	IssuerDir string // holds the issuer's keys; empty is Dir/issuer
	Log       *slog.Logger
}

// Sandbox is all doubles behind one handler. It trusts its network: serve it on loopback only.
type Sandbox struct {
	base    string
	ledger  *ledger.Ledger
	issuer  *issuer.Issuer
	catalog *catalog.Double
	github  *github.Double
	mail    *mail.Double
	mounts  []mount
	log     *slog.Logger
	missed  []string // repositories whose last push a predecessor took but didn't live to tell
}

type mount struct {
	prefix  string
	handler http.Handler
}

// Open continues from the state in o.Dir, or starts with the seed if there is none.
func Open(o Options) (*Sandbox, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("the sandbox needs the URL that clients reach it under, not %q", o.BaseURL)
	}
	if o.IssuerDir == "" {
		o.IssuerDir = filepath.Join(o.Dir, "issuer")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{base: strings.TrimSuffix(o.BaseURL, "/"), log: o.Log}
	if s.ledger, err = ledger.Open(o.Dir); err != nil {
		return nil, err
	}
	if err := s.build(o); err != nil {
		return nil, errors.Join(err, s.ledger.Close())
	}
	return s, nil
}

func (s *Sandbox) build(o Options) (err error) {
	if err = s.ledger.Update(plant); err != nil {
		return fmt.Errorf("sandbox seed: %w", err)
	}
	at := s.Endpoints()
	if s.issuer, err = issuer.Open(o.IssuerDir, at["issuer"]); err != nil {
		return err
	}
	s.catalog = catalog.New(catalog.Options{Ledger: s.ledger, Read: s.read, Accepts: func(token string) bool {
		if rest.Same(token, o.Tokens.Catalog) {
			return true
		}
		_, _, err := s.issuer.Check(token)
		return err == nil
	}})
	s.github, err = github.Open(github.Options{
		Ledger: s.ledger, Dir: filepath.Join(o.Dir, "git"), URL: at["github"], Token: o.Tokens.GitHub, Person: o.Tokens.GitHubPerson, OnPush: s.pushed,
	})
	if err != nil {
		return err
	}
	for _, repo := range s.missed {
		s.refreshCatalog(repo)
	}
	directory := okta.New(okta.Options{Ledger: s.ledger, URL: at["okta"], Token: o.Tokens.Okta})
	tickets := servicenow.New(servicenow.Options{
		Ledger: s.ledger, URL: at["servicenow"],
		User: o.Tokens.ServiceNowUser, Password: o.Tokens.ServiceNowPassword, Token: o.Tokens.ServiceNow,
	})
	messages := slack.New(slack.Options{Ledger: s.ledger, Token: o.Tokens.Slack})
	s.mail = mail.New(mail.Options{Ledger: s.ledger, User: o.Tokens.MailUser, Password: o.Tokens.MailPassword})
	desk := faults.Desk{Ledger: s.ledger}
	s.mounts = []mount{
		{"/github/api/v3", desk.Wrap("github", s.github)},
		{"/github", desk.Wrap("github", s.github)},
		// The SDK for Go prepends the org URL, path included, to the path of the next page.
		{"/okta/okta", desk.Wrap("okta", directory)},
		{"/okta", desk.Wrap("okta", directory)},
		{"/servicenow", desk.Wrap("servicenow", tickets)},
		{"/api/catalog/_sandbox", s.putting(o.Tokens.Catalog)},
		{"/api/catalog", desk.Wrap("catalog", s.catalog)},
		{"/slack/messages", local(messages.Handler())},
		{"/slack", desk.Wrap("slack", messages)},
		{"/mail", local(s.mail.Handler())},
		{"/issuer", s.issuer},
		{"/faults", local(desk.Handler())},
	}
	return nil
}

// Close releases the state folder.
func (s *Sandbox) Close() error { return s.ledger.Close() }

// ServeMail takes letters until the listener is closed.
func (s *Sandbox) ServeMail(l net.Listener) error { return s.mail.Serve(l) }

// Endpoints are the URLs to configure clients with: github, okta, servicenow, slack, catalog, faults, issuer; and mail, where
// letters are read.
func (s *Sandbox) Endpoints() map[string]string {
	return map[string]string{
		"github": s.base + "/github", "okta": s.base + "/okta", "servicenow": s.base + "/servicenow", "slack": s.base + "/slack",
		"mail": s.base + "/mail", "catalog": s.base + "/api/catalog", "faults": s.base + "/faults", "issuer": s.base + "/issuer",
	}
}

// Counts is what GET /faults/counts answers.
func (s *Sandbox) Counts() ledger.Counts { return s.ledger.Counts() }

// ServeHTTP hands a request to the double whose prefix it has.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		rest.JSON(w, 200, map[string]string{"status": "ok"})
		return
	}
	for _, m := range s.mounts {
		inner, ok := below(r, m.prefix)
		if !ok {
			continue
		}
		s.log.Debug("sandbox call", "method", r.Method, "path", r.URL.Path)
		m.handler.ServeHTTP(w, inner)
		return
	}
	http.NotFound(w, r)
}

// below is the request as it looks under a prefix.
func below(r *http.Request, prefix string) (*http.Request, bool) {
	cut := func(p string) (string, bool) {
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok || rest != "" && rest[0] != '/' {
			return "", false
		}
		if rest == "" {
			rest = "/"
		}
		return rest, true
	}
	p, ok := cut(r.URL.Path)
	if !ok {
		return nil, false
	}
	inner := new(http.Request)
	*inner = *r
	inner.Header = r.Header.Clone() // the caller's stays as it is when a double changes it
	inner.URL = new(url.URL)
	*inner.URL = *r.URL
	inner.URL.Path = p
	if raw, ok := cut(r.URL.RawPath); ok {
		inner.URL.RawPath = raw
	} else {
		inner.URL.RawPath = ""
	}
	inner.Pattern = ""
	return inner, true
}

// local refuses requests that a web page made the browser send: those name a host that isn't this machine.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			rest.JSON(w, http.StatusForbidden, map[string]string{"error": "only reachable under a loopback name"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// read gets files of the GitHub double by their web address, without asking for a token: the catalog has one.
func (s *Sandbox) read(ctx context.Context, target string) ([]byte, error) {
	below, ok := strings.CutPrefix(target, s.base+"/github/")
	if !ok {
		below, ok = strings.CutPrefix(target, githubCom)
	}
	if !ok {
		if u, err := url.Parse(target); err == nil && u.Host != "" {
			return nil, catalog.ErrNotAllowed
		}
		return nil, fs.ErrNotExist
	}
	p, err := url.PathUnescape(below)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return s.github.ReadFile(ctx, p)
}

// githubCom is what the GitHub double stands for: URLs of it can be registered too.
const githubCom = "https://github.com/"

func (s *Sandbox) pushed(owner, repo string) {
	if s.github == nil { // still opening
		s.missed = append(s.missed, owner+"/"+repo)
		return
	}
	s.refreshCatalog(owner + "/" + repo)
}

func (s *Sandbox) refreshCatalog(repo string) {
	for _, host := range []string{s.base + "/github/", githubCom} {
		s.catalog.RefreshBelow(context.Background(), host+repo+"/")
	}
}
