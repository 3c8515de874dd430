// Package guard is the one way out for what templates name: a request goes to hosts that the operator has named, and
// to no address inside the network unless it was named by itself.
package guard

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
)

// Rule names a host that may be spoken to.
type Rule struct {
	// Host is as in URLs, with its port unless that is the scheme's own; "*.example.com" are all hosts below
	// example.com. One that is named in full may have a private address, those below a name may not.
	Host string
	// Paths are what the paths of its URLs begin with; none: any path.
	Paths []string
	// HTTP is true if it is spoken to without TLS.
	HTTP bool
	// Public is true if the host must have a public address although it is named in full.
	Public bool
}

// Guard is an http.RoundTripper that sends nothing to a host without a rule. It checks every hop of a redirect anew,
// looks names up itself, and connects to the address that it has checked and to no other.
type Guard struct {
	rules  []Rule
	named  http.RoundTripper // for hosts that were named: their address is the operator's business
	public http.RoundTripper
}

// Network is what a Guard reaches hosts with.
type Network struct {
	// Named is how hosts named in full are spoken to, e.g. through the environment's proxy.
	Named http.RoundTripper
	// Lookup and Dial are how all others are.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// Internet is the network of this machine.
func Internet() Network {
	named := http.DefaultTransport.(*http.Transport).Clone()
	named.ResponseHeaderTimeout = headerTimeout
	return Network{
		Named: named,
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Dial: (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
	}
}

const (
	headerTimeout = time.Minute
	maxHops       = 10
)

// New makes a guard.
func New(rules []Rule, n Network) *Guard {
	g := &Guard{rules: rules, named: n.Named}
	// No proxy: it would look the name up again, and could come to another address.
	g.public = &http.Transport{
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: time.Minute,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialPublic(ctx, n, network, address)
		},
	}
	return g
}

// Client gives a client that follows redirects under the guard's rules. What a request carries to its first host,
// credentials above all, is not carried to another one.
func (g *Guard) Client() *http.Client {
	return &http.Client{Transport: g, CheckRedirect: leaveCredentials}
}

// Allow says whether a URL may be read at all: a Denied fault names what to configure.
func (g *Guard) Allow(at *url.URL) error {
	_, err := g.rule(at)
	return err
}

// RoundTrip implements http.RoundTripper.
func (g *Guard) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := g.rule(req.URL)
	if err != nil {
		return nil, err
	}
	if r.Public || strings.HasPrefix(r.Host, "*.") {
		return g.public.RoundTrip(req)
	}
	return g.named.RoundTrip(req)
}

// rule finds the rule that lets a request through. One that names the host in full is found first.
func (g *Guard) rule(at *url.URL) (Rule, error) {
	host := HostOf(at)
	var found *Rule
	elsewhere := false
	for i, r := range g.rules {
		below, wild := strings.CutPrefix(r.Host, "*")
		switch {
		case !wild && host != r.Host, wild && !strings.HasSuffix(host, below):
		case at.Scheme != "https" && !(at.Scheme == "http" && r.HTTP), at.User != nil, !r.covers(at):
			elsewhere = true
		case found == nil || strings.HasPrefix(found.Host, "*"):
			found = &g.rules[i]
		}
	}
	switch {
	case found != nil:
		return *found, nil
	case elsewhere:
		return Rule{}, fault.New(fault.Denied, "%s may not be read: the host is configured, but not for this scheme or path; see reading.allow", Shown(at))
	default:
		return Rule{}, fault.New(fault.Denied, "%s may not be read: configure an integration for %s (github, gitlab, bitbucketCloud, bitbucketServer or gitea), or name it in reading.allow", Shown(at), host)
	}
}

func (r Rule) covers(at *url.URL) bool {
	if len(r.Paths) == 0 {
		return true
	}
	clean := path.Clean("/" + at.Path)
	if strings.HasSuffix(at.Path, "/") && clean != "/" {
		clean += "/"
	}
	for _, p := range r.Paths {
		if strings.HasPrefix(clean, p) {
			return true
		}
	}
	return false
}

// HostOf gives the host of a URL in the form that rules have: lower case, without the scheme's own port.
func HostOf(at *url.URL) string {
	host := strings.ToLower(at.Host)
	switch at.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// Shown is a URL without what may be secret in it: people and history see it.
func Shown(at *url.URL) string {
	return (&url.URL{Scheme: at.Scheme, Opaque: at.Opaque, Host: at.Host, Path: at.Path, RawPath: at.RawPath}).String()
}

// leaveCredentials strips a redirected request of all that was meant for the first host only, once it has left it.
func leaveCredentials(req *http.Request, via []*http.Request) error {
	if len(via) >= maxHops {
		return fault.New(fault.Unavailable, "%s redirects more than %d times", Shown(via[0].URL), maxHops)
	}
	req.Header.Del("Referer")
	first := via[0].URL
	for _, hop := range append(via[1:len(via):len(via)], req) {
		if hop.URL.Scheme != first.Scheme || HostOf(hop.URL) != HostOf(first) {
			accept := req.Header.Get("Accept")
			req.Header = http.Header{}
			if accept != "" {
				req.Header.Set("Accept", accept)
			}
			return nil
		}
	}
	return nil
}

// dialPublic connects to a host whose every address is public. The name is looked up once: what was checked is what is
// connected to.
func dialPublic(ctx context.Context, n Network, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not an address", address)
	}
	var found []netip.Addr
	if literal, err := netip.ParseAddr(host); err == nil {
		found = []netip.Addr{literal}
	} else if found, err = n.Lookup(ctx, host); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the name %s can't be looked up", host)
	}
	for _, at := range found {
		if !public(at) {
			return nil, fault.New(fault.Denied, "%s may not be read: it has the address %s, which is not public; if it should be read, name the host in full in reading.allow", host, at)
		}
	}
	var last error
	for _, at := range found {
		conn, err := n.Dial(ctx, network, net.JoinHostPort(at.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, fault.Wrap(fault.Unavailable, last, "%s does not answer", host)
}
