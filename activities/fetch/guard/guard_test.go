package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// world answers for every host, and knows what was asked of it.
type world struct {
	addresses map[string][]string
	lookups   atomic.Int32
	dialled   []string
	server    *httptest.Server
	asked     []*http.Request
}

func newWorld(t *testing.T, answer http.HandlerFunc) *world {
	w := &world{}
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked = append(w.asked, r)
		if answer != nil {
			answer(rw, r)
		}
	}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) guard(rules ...Rule) *Guard {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		w.dialled = append(w.dialled, address)
		return (&net.Dialer{}).DialContext(ctx, network, w.server.Listener.Addr().String())
	}
	trust := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the double's certificate names example.com only
	g := New(rules, Network{
		Named: &http.Transport{DialContext: dial, TLSClientConfig: trust},
		Lookup: func(_ context.Context, host string) (out []netip.Addr, err error) {
			w.lookups.Add(1)
			for _, a := range w.addresses[host] {
				out = append(out, netip.MustParseAddr(a))
			}
			if out == nil {
				err = errors.New("no such host")
			}
			return out, err
		},
		Dial: dial,
	})
	g.public.(*http.Transport).TLSClientConfig = trust
	return g
}

func (w *world) get(t *testing.T, g *Guard, at string, headers ...string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := g.Client().Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestPublic_AddressesOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{
		"127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "203.0.113.5",
		"::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "2001::1", "64:ff9b:1::a00:1", "100::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", // IPv4-mapped
		"::127.0.0.1", "::ffff:0:127.0.0.1", // IPv4-compatible, IPv4-translated
		"2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::", // 6to4
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", // NAT64
	} {
		require.False(t, public(netip.MustParseAddr(inside)), inside)
	}
	for _, outside := range []string{
		"1.1.1.1", "140.82.121.3", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.0.1", "2606:4700::1111",
		"2a00:1450:4001::200e", "::ffff:140.82.121.3", "2002:8c52:7903::1", "64:ff9b::8c52:7903",
	} {
		require.True(t, public(netip.MustParseAddr(outside)), outside)
	}
	require.False(t, public(netip.Addr{}))
}

func TestGuard_HostWithoutRule_RefusedBeforeAnyLookup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	g := w.guard(Rule{Host: "git.acme.com"}, Rule{Host: "*.example.com"}, Rule{Host: "files.acme.com", Paths: []string{"/public/"}})
	for _, at := range []string{
		"https://evil.com/", "https://git.acme.com.evil.com/", "https://evil.com#git.acme.com", "https://evil.com/?git.acme.com",
		"https://git.acme.com@evil.com/", "https://git.acme.com:8443/", "https://git.acme.com./", "https://example.com/", "https://evilexample.com/",
		"https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/", "https://169.254.169.254/latest/meta-data",
		"http://git.acme.com/", "ftp://git.acme.com/", "https://user:pw@git.acme.com/",
		"https://files.acme.com/", "https://files.acme.com/private", "https://files.acme.com/public/../private", "https://files.acme.com/public/%2e%2e/private",
		"https://files.acme.com/public/..%2fprivate", "https://files.acme.com/public",
	} {
		err := w.get(t, g, at)
		require.ErrorIs(t, err, fault.Denied, at)
		require.Contains(t, fault.From(err).Public, "reading.allow", at)
		require.NotContains(t, fault.From(err).Public, "pw")
	}
	require.Zero(t, w.lookups.Load())
	require.Empty(t, w.dialled)
	for _, at := range []string{"https://git.acme.com/x", "https://GIT.acme.com:443/x", "https://files.acme.com/public/x"} {
		require.NoError(t, w.get(t, g, at), at)
	}
}

func TestGuard_NamedHost_MayBePrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	require.NoError(t, w.get(t, w.guard(Rule{Host: "10.0.0.5"}), "https://10.0.0.5/"))
	require.Equal(t, []string{"10.0.0.5:443"}, w.dialled)
}

func TestGuard_HostBelowAName_MustBePublic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.addresses = map[string][]string{
		"a.example.com": {"140.82.121.3"}, "b.example.com": {"127.0.0.1"}, "c.example.com": {"140.82.121.3", "::ffff:10.0.0.1"},
		"metadata.example.com": {"169.254.169.254"}, "codeload.acme.com": {"10.0.0.9"}, "named.example.com": {"10.0.0.9"},
	}
	g := w.guard(Rule{Host: "*.example.com"}, Rule{Host: "codeload.acme.com", Public: true}, Rule{Host: "named.example.com"})
	require.NoError(t, w.get(t, g, "https://a.example.com/"))
	for _, host := range []string{"b.example.com", "c.example.com", "metadata.example.com", "codeload.acme.com"} {
		err := w.get(t, g, "https://"+host+"/")
		require.ErrorIs(t, err, fault.Denied, host)
		require.Contains(t, err.Error(), "not public")
	}
	require.NoError(t, w.get(t, g, "https://named.example.com/"), "one that is named in full may be private")
	require.Equal(t, []string{"140.82.121.3:443", "named.example.com:443"}, w.dialled)
}

// A name that answers with a public address when it is checked and with a private one when it is connected to.
func TestGuard_Rebinding_ConnectsToTheAddressItChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.addresses = map[string][]string{"rebind.example.com": {"140.82.121.3"}}
	g := w.guard(Rule{Host: "*.example.com"})
	require.NoError(t, w.get(t, g, "https://rebind.example.com/"))
	require.EqualValues(t, 1, w.lookups.Load())
	require.Equal(t, []string{"140.82.121.3:443"}, w.dialled)

	g.public.(*http.Transport).CloseIdleConnections()
	w.addresses["rebind.example.com"] = []string{"127.0.0.1"}
	require.ErrorIs(t, w.get(t, g, "https://rebind.example.com/"), fault.Denied)
}

func TestGuard_Redirects_CheckedPerHop(t *testing.T) {
	t.Parallel()
	to := map[string]string{
		"/metadata": "http://169.254.169.254/latest/", "/inside": "https://127.0.0.1:8200/v1/sys", "/plain": "http://git.acme.com/x",
		"/elsewhere": "https://evil.com/", "/below": "https://b.example.com/", "/file": "file:///etc/passwd", "/path": "https://files.acme.com/private",
		"/loop": "/loop", "/good": "https://files.acme.com/public/x", "/scheme": "//evil.com/x",
	}
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		if where, ok := to[r.URL.Path]; ok {
			http.Redirect(rw, r, where, http.StatusFound)
		}
	})
	w.addresses = map[string][]string{"b.example.com": {"127.0.0.1"}}
	g := w.guard(Rule{Host: "git.acme.com"}, Rule{Host: "*.example.com"}, Rule{Host: "files.acme.com", Paths: []string{"/public/"}})
	for _, from := range []string{"/metadata", "/inside", "/plain", "/elsewhere", "/below", "/path", "/scheme"} {
		require.ErrorIs(t, w.get(t, g, "https://git.acme.com"+from), fault.Denied, from)
	}
	require.Error(t, w.get(t, g, "https://git.acme.com/file"))
	require.ErrorIs(t, w.get(t, g, "https://git.acme.com/loop"), fault.Unavailable)
	require.NoError(t, w.get(t, g, "https://git.acme.com/good"))
}

func TestGuard_RedirectToAnotherHost_LeavesCredentialsBehind(t *testing.T) {
	t.Parallel()
	for _, there := range []string{"files.acme.com", "sub.git.acme.com", "git.acme.com:8443"} {
		w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/same":
				http.Redirect(rw, r, "/leave", http.StatusFound)
			case "/leave":
				http.Redirect(rw, r, "https://"+there+"/back", http.StatusFound)
			case "/back":
				http.Redirect(rw, r, "https://git.acme.com/end", http.StatusFound)
			}
		})
		g := w.guard(Rule{Host: "git.acme.com"}, Rule{Host: there})
		require.NoError(t, w.get(t, g, "https://git.acme.com/same?signature=s", "Authorization", "Bearer t", "PRIVATE-TOKEN", "t", "Cookie", "t", "Accept", "a/b"))
		require.Len(t, w.asked, 4)
		for i, r := range w.asked {
			require.Equal(t, i < 2, r.Header.Get("Authorization") != "", "hop %d", i)
			require.Equal(t, i < 2, r.Header.Get("Private-Token") != "", "hop %d", i)
			require.Equal(t, i < 2, r.Header.Get("Cookie") != "", "hop %d", i)
			require.Equal(t, "a/b", r.Header.Get("Accept"))
			require.Empty(t, r.Header.Get("Referer"))
		}
	}
}

func TestShown_LeavesOutWhatMayBeSecret(t *testing.T) {
	t.Parallel()
	at, err := url.Parse("https://u:p@h.com/a%2Fb?signature=s#f")
	require.NoError(t, err)
	require.Equal(t, "https://h.com/a%2Fb", Shown(at))
	require.False(t, strings.Contains(Shown(&url.URL{Scheme: "mailto", Opaque: "x"}), "@"))
}
