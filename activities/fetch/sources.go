package fetch

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/activities/fetch/guard"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Integration is a source code host that was configured.
type Integration struct {
	Type       string // github, gitlab, bitbucketCloud, bitbucketServer or gitea
	Host       string // as in URLs of repositories
	APIBaseURL string // default: the vendor's for that host
	Username   string // with it Secret is a password, without it a token
	Secret     secrets.Secret
}

// Allowed is a host of which single files may be read over https.
type Allowed struct {
	Host  string   // "*.example.com" are all below example.com; they must have public addresses
	Paths []string // what the paths of URLs begin with; none: any path
}

// Sources reads from hosts, and from no other than those it was made for.
type Sources struct {
	types  map[string]string
	hosts  map[string]repositories
	web    *guard.Guard
	client *http.Client
}

// NewSources makes them. Integrations of an unknown type are left out.
func NewSources(integrations []Integration, allow []Allowed) *Sources {
	return newSources(integrations, allow, guard.Internet())
}

func newSources(integrations []Integration, allow []Allowed, network guard.Network) *Sources {
	s := &Sources{types: map[string]string{}, hosts: map[string]repositories{}}
	var web, all []guard.Rule
	for _, a := range allow {
		web = append(web, guard.Rule{Host: a.Host, Paths: a.Paths})
	}
	all = append(all, web...)
	for _, i := range integrations {
		v, known := vendors[i.Type]
		if !known {
			continue
		}
		if i.APIBaseURL == "" {
			i.APIBaseURL = v.api(i.Host)
		}
		i.APIBaseURL = strings.TrimSuffix(i.APIBaseURL, "/")
		s.types[i.Host] = i.Type
		s.hosts[i.Host] = repositories{Integration: i, vendor: v}
		if api, err := url.Parse(i.APIBaseURL); err == nil {
			all = append(all, guard.Rule{Host: guard.HostOf(api), Paths: []string{api.Path + "/"}, HTTP: api.Scheme == "http"})
		}
		all = append(all, v.sends(i.Host)...)
	}
	s.web = guard.New(web, network)
	s.client = guard.New(all, network).Client()
	return s
}

// Types tells which integration a host belongs to, as parseRepoUrl wants to know.
func (s *Sources) Types() map[string]string {
	if s == nil {
		return nil
	}
	return s.types
}

// resolve gives the URL that a relative one means for a template at base.
func (s *Sources) resolve(base *url.URL, ref string) (*url.URL, error) {
	if s != nil {
		if r, known := s.hosts[guard.HostOf(base)]; known && base.Scheme == "https" {
			return r.resolve(base, ref)
		}
	}
	return nil, fault.New(fault.Invalid, "No integration found for location %s", guard.Shown(base))
}

// tree reads the folder that a URL names. The caller calls done when it has read it.
func (s *Sources) tree(ctx context.Context, at *url.URL, token secrets.Secret) (_ fs.FS, done func(), err error) {
	r, err := s.reader(at)
	switch {
	case err != nil:
		return nil, func() {}, err
	case r == nil:
		return nil, func() {}, fault.New(fault.Invalid, "only single files can be read from %s, with fetch:plain:file and fetch:template:file; folders are read from hosts that an integration is configured for", at.Host)
	}
	p, err := s.place(ctx, *r, at, token)
	if err != nil {
		return nil, func() {}, err
	}
	body, err := s.get(ctx, r.archive(r.APIBaseURL, p), "", at, r.authorization(token))
	if err != nil {
		return nil, func() {}, err
	}
	defer func() { _ = body.Close() }() // it was only read
	return unpack(ctx, body, p.path)
}

// file reads the file that a URL names.
func (s *Sources) file(ctx context.Context, at *url.URL, token secrets.Secret) ([]byte, error) {
	r, err := s.reader(at)
	if err != nil {
		return nil, err
	}
	endpoint, accept, authorization := at.String(), "", bearer(token)
	if r != nil {
		p, err := s.place(ctx, *r, at, token)
		if err != nil {
			return nil, err
		}
		if p.path == "." {
			return nil, fault.New(fault.Invalid, "%s names no file of the repository", guard.Shown(at))
		}
		endpoint, accept = r.raw(r.APIBaseURL, p)
		authorization = r.authorization(token)
	}
	body, err := s.get(ctx, endpoint, accept, at, authorization)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was only read
	return readBounded(body, guard.Shown(at))
}

// reader finds the integration of a URL's host; nil: there is none, and the host may be read as it is.
func (s *Sources) reader(at *url.URL) (*repositories, error) {
	switch {
	case at.User != nil:
		return nil, fault.New(fault.Invalid, "a URL must not hold credentials; use the input `token`")
	case s == nil:
		return nil, guard.New(nil, guard.Network{}).Allow(at)
	}
	if r, known := s.hosts[guard.HostOf(at)]; known && at.Scheme == "https" {
		return &r, nil
	}
	return nil, s.web.Allow(at)
}

// place reads a URL, and asks for the default branch where the API wants one and the URL has none.
func (s *Sources) place(ctx context.Context, r repositories, at *url.URL, token secrets.Secret) (place, error) {
	p, err := r.locate(at)
	if err != nil || p.ref != "" {
		return p, err
	}
	endpoint, name := r.branch(r.APIBaseURL, p)
	if endpoint == "" {
		return p, nil
	}
	body, err := s.get(ctx, endpoint, "application/json", at, r.authorization(token))
	if err != nil {
		return place{}, err
	}
	defer func() { _ = body.Close() }() // it was only read
	var answer map[string]json.RawMessage
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&answer); err != nil {
		return place{}, fault.Wrap(fault.Unavailable, err, "%s doesn't tell the default branch of the repository", at.Host)
	}
	if p.ref = name(answer); p.ref == "" {
		return place{}, fault.New(fault.NotFound, "the repository of %s has no default branch; it is empty", guard.Shown(at))
	}
	return p, nil
}

// get asks for what `at` means.
func (s *Sources) get(ctx context.Context, endpoint, accept string, at *url.URL, authorization string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the address of %s's API is not a URL", at.Host)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if fault.KindOf(err) != fault.Internal {
			return nil, fault.From(err)
		}
		return nil, fault.Wrap(fault.Unavailable, err, "%s does not answer", at.Host)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	_ = resp.Body.Close() // nothing of it is needed
	return nil, refused(resp, at)
}

func refused(resp *http.Response, at *url.URL) error {
	again, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent = 0 = unknown
	limited := again > 0 || resp.Header.Get("X-RateLimit-Remaining") == "0"
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && limited:
		f := fault.New(fault.RateLimited, "%s wants fewer calls", at.Host)
		f.RetryAfter = time.Duration(again) * time.Second
		return f
	case code == http.StatusNotFound:
		return fault.New(fault.NotFound, "%s does not exist, or may not be seen with the credentials in use", guard.Shown(at))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fault.New(fault.Denied, "%s may not be read with the credentials in use", guard.Shown(at))
	case code >= http.StatusInternalServerError:
		return fault.New(fault.Unavailable, "%s answers with status %d", at.Host, code)
	default:
		return fault.New(fault.Internal, "%s answers with status %d", at.Host, code)
	}
}
