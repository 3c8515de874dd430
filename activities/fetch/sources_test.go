package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/fetch/guard"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// tarball packs entries; files hold "content of <name>" unless they have a size and content of their own.
func tarball(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, h := range headers {
		content := []byte("content of " + h.Name)
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		require.NoError(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write(content)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return b.Bytes()
}

// repository is what every double serves, in the folder that its vendor puts around it.
func repository(t *testing.T, around string) []byte {
	return tarball(t,
		tar.Header{Name: "pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "1a2b"}},
		tar.Header{Name: around + "/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: around + "/README.md", Mode: 0o644},
		tar.Header{Name: around + "/node/skeleton/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: around + "/node/skeleton/run.sh", Mode: 0o775},
		tar.Header{Name: around + "/node/skeleton/empty/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: around + "/node/skeleton/link", Typeflag: tar.TypeSymlink, Linkname: "run.sh"},
		tar.Header{Name: around + "/node/skeleton/out", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc/passwd"},
		tar.Header{Name: around + "/node/skeleton-not/x", Mode: 0o644},
	)
}

// hosts is a strict double: it answers exactly these requests, and everything else with 404.
type hosts struct {
	mu      sync.Mutex
	answers map[string][]byte // "<host> <path?query> [<Accept>]", where that is asked for
	bounce  map[string]string
	asked   []string // with the Authorization behind
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := r.Host + " " + r.RequestURI
	h.asked = append(h.asked, strings.TrimSuffix(key+" "+r.Header.Get("Authorization"), " "))
	if accept := r.Header.Get("Accept"); accept != "" {
		key += " " + accept
	}
	if to := h.bounce[key]; to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	answer, known := h.answers[key]
	if r.Method != http.MethodGet || !known {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(answer)
}

// internet makes sources that find the double wherever they look.
func internet(t *testing.T, double http.Handler, integrations []Integration, allow []Allowed) *Sources {
	server := httptest.NewTLSServer(double)
	t.Cleanup(server.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	network := guard.Network{
		Named: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // the double's certificate names example.com only
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Dial: dial,
	}
	// Archives of github.com come from a host that must be public; to the double it is one that was named.
	return newSources(integrations, append(allow, Allowed{Host: "codeload.github.com"}), network)
}

var skeletonFiles = map[string]string{"run.sh": "x", "link": "-> run.sh", "empty/": ""}

func TestSources_EveryVendor_TreesFilesAndRelativeURLs(t *testing.T) {
	t.Parallel()
	basic := "Basic " + "dTpw" // u:p
	for name, c := range map[string]struct {
		integration Integration
		base        string // of the template
		tree        string // an absolute URL of the skeleton, without a ref if the vendor can
		file        string
		around      string
		archives    []string // what is asked for base's folder, then for tree
		raws        []string // for a file beside base, and for `file`
		json        map[string]string
		ours        string
		theirs      string
	}{
		"github": {
			integration: Integration{Type: "github", Host: "github.com", Secret: secrets.New("ours")},
			base:        "https://github.com/acme/templates/blob/feature%2Fx/node/template.yaml",
			tree:        "https://github.com/acme/templates.git", file: "https://github.com/acme/templates/raw/v1/a%20b/c.txt",
			around:   "acme-templates-1a2b",
			archives: []string{"api.github.com /repos/acme/templates/tarball/feature%2Fx", "api.github.com /repos/acme/templates/tarball"},
			raws: []string{
				"api.github.com /repos/acme/templates/contents/node/f.txt?ref=feature%2Fx application/vnd.github.raw+json",
				"api.github.com /repos/acme/templates/contents/a%20b/c.txt?ref=v1 application/vnd.github.raw+json",
			},
			ours: "Bearer ours", theirs: "Bearer theirs",
		},
		"gitlab": {
			integration: Integration{Type: "gitlab", Host: "gitlab.com", Secret: secrets.New("ours")},
			base:        "https://gitlab.com/group/sub/templates/-/blob/main/node/template.yaml",
			tree:        "https://gitlab.com/group/sub/templates", file: "https://gitlab.com/group/templates/raw/main/a/c.txt",
			around: "templates-main-1a2b",
			archives: []string{
				"gitlab.com /api/v4/projects/group%2Fsub%2Ftemplates/repository/archive.tar.gz?path=node%2Fskeleton&sha=main",
				"gitlab.com /api/v4/projects/group%2Fsub%2Ftemplates/repository/archive.tar.gz",
			},
			raws: []string{
				"gitlab.com /api/v4/projects/group%2Fsub%2Ftemplates/repository/files/node%2Ff.txt/raw?ref=main",
				"gitlab.com /api/v4/projects/group%2Ftemplates/repository/files/a%2Fc.txt/raw?ref=main",
			},
			ours: "Bearer ours", theirs: "Bearer theirs",
		},
		"bitbucketCloud": {
			integration: Integration{Type: "bitbucketCloud", Host: "bitbucket.org", Username: "u", Secret: secrets.New("p")},
			base:        "https://bitbucket.org/acme/templates/src/main/node/template.yaml",
			tree:        "https://bitbucket.org/acme/templates", file: "https://bitbucket.org/acme/templates/raw/v1/a/c.txt",
			around:   "acme-templates-1a2b",
			archives: []string{"bitbucket.org /acme/templates/get/main.tar.gz", "bitbucket.org /acme/templates/get/trunk.tar.gz"},
			raws: []string{
				"api.bitbucket.org /2.0/repositories/acme/templates/src/main/node/f.txt", "api.bitbucket.org /2.0/repositories/acme/templates/src/v1/a/c.txt",
			},
			json: map[string]string{"api.bitbucket.org /2.0/repositories/acme/templates application/json": `{"type":"repository","mainbranch":{"type":"branch","name":"trunk"}}`},
			ours: basic, theirs: "Bearer theirs",
		},
		"bitbucketServer": {
			integration: Integration{Type: "bitbucketServer", Host: "bitbucket.acme.com", Secret: secrets.New("ours")},
			base:        "https://bitbucket.acme.com/projects/PLAT/repos/templates/browse/node/template.yaml?at=refs%2Fheads%2Fmain",
			tree:        "https://bitbucket.acme.com/users/jo/repos/templates", file: "https://bitbucket.acme.com/projects/PLAT/repos/templates/raw/a/c.txt",
			around: "PLAT-templates",
			archives: []string{
				"bitbucket.acme.com /rest/api/1.0/projects/PLAT/repos/templates/archive?at=refs%2Fheads%2Fmain&format=tgz&path=node%2Fskeleton&prefix=PLAT-templates",
				"bitbucket.acme.com /rest/api/1.0/projects/~jo/repos/templates/archive?format=tgz&prefix=~jo-templates",
			},
			raws: []string{
				"bitbucket.acme.com /rest/api/1.0/projects/PLAT/repos/templates/raw/node/f.txt?at=refs%2Fheads%2Fmain",
				"bitbucket.acme.com /rest/api/1.0/projects/PLAT/repos/templates/raw/a/c.txt",
			},
			ours: "Bearer ours", theirs: "Bearer theirs",
		},
		"gitea": {
			integration: Integration{Type: "gitea", Host: "gitea.acme.com:3000", APIBaseURL: "https://gitea.acme.com:3000/git/api/v1/", Username: "u", Secret: secrets.New("p")},
			base:        "https://gitea.acme.com:3000/acme/templates/src/branch/main/node/template.yaml",
			tree:        "https://gitea.acme.com:3000/acme/templates", file: "https://gitea.acme.com:3000/acme/templates/raw/tag/v1/a/c.txt",
			around:   "templates",
			archives: []string{"gitea.acme.com:3000 /git/api/v1/repos/acme/templates/archive/main.tar.gz", "gitea.acme.com:3000 /git/api/v1/repos/acme/templates/archive/trunk.tar.gz"},
			raws: []string{
				"gitea.acme.com:3000 /git/api/v1/repos/acme/templates/raw/node/f.txt?ref=main", "gitea.acme.com:3000 /git/api/v1/repos/acme/templates/raw/a/c.txt?ref=v1",
			},
			json: map[string]string{"gitea.acme.com:3000 /git/api/v1/repos/acme/templates application/json": `{"id":1,"default_branch":"trunk"}`},
			ours: basic, theirs: "token theirs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			double := &hosts{answers: map[string][]byte{}}
			for _, key := range c.archives {
				double.answers[key] = repository(t, c.around)
			}
			for _, key := range c.raws {
				double.answers[key] = []byte("raw ${{ values.n }}")
			}
			for key, answer := range c.json {
				double.answers[key] = []byte(answer)
			}
			a := &attempt{options: Options{Sources: internet(t, double, []Integration{c.integration}, nil)}, base: c.base}

			require.NoError(t, a.do(t, Plain, in{"url": "./skeleton"}))
			got := a.got(t)
			require.Equal(t, "content of "+c.around+"/node/skeleton/run.sh", got["run.sh"])
			got["run.sh"] = "x"
			require.Equal(t, skeletonFiles, got)
			info, err := a.files.Stat("run.sh")
			require.NoError(t, err)
			require.EqualValues(t, 0o755, info.Mode())
			require.Equal(t, c.archives[0]+" "+c.ours, double.asked[0])

			require.NoError(t, a.do(t, Plain, in{"url": c.tree, "targetPath": "all", "token": "theirs"}))
			require.Contains(t, a.got(t), "all/README.md")
			require.Equal(t, c.archives[1]+" "+c.theirs, double.asked[len(double.asked)-1])

			require.NoError(t, a.do(t, TemplateFile, in{"url": "./f.txt", "targetPath": "f", "values": in{"n": 1}}))
			require.NoError(t, a.do(t, PlainFile, in{"url": c.file, "targetPath": "deep/c"}))
			require.Equal(t, "raw 1", a.got(t)["f"])
			require.Equal(t, "raw ${{ values.n }}", a.got(t)["deep/c"])

			for url, kind := range map[string]fault.Kind{
				"./nowhere": fault.NotFound, "../../../../../../../x": fault.Invalid, "https://" + c.integration.Host + "/": fault.Invalid,
				"http" + c.tree[len("https"):]: fault.Denied,
			} {
				require.ErrorIs(t, a.do(t, Plain, in{"url": url}), kind, url)
			}
			for _, line := range double.asked {
				require.True(t, strings.HasSuffix(line, c.ours) || strings.HasSuffix(line, c.theirs), line)
			}
		})
	}
}

func TestSources_RootOfTheRepository_IsASlash(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://github.com/o/r/blob/feature%2Fx/a/t.yaml":                 "https://github.com/o/r/blob/feature%2Fx/shared/a%20b",
		"https://github.com/o/r/tree/main":                                 "https://github.com/o/r/tree/main/shared/a%20b",
		"https://gitlab.com/g/s/p/-/blob/main/a/t.yaml":                    "https://gitlab.com/g/s/p/-/blob/main/shared/a%20b",
		"https://bb.acme.com/projects/P/repos/r/browse/a/t.yaml?at=branch": "https://bb.acme.com/projects/P/repos/r/browse/shared/a%20b?at=branch",
		"https://gitea.com/o/r/src/branch/main/a/t.yaml":                   "https://gitea.com/o/r/src/branch/main/shared/a%20b",
		"https://bitbucket.org/w/r/src/main/a/t.yaml":                      "https://bitbucket.org/w/r/src/main/shared/a%20b",
	} {
		s := NewSources([]Integration{
			{Type: "github", Host: "github.com"}, {Type: "gitlab", Host: "gitlab.com"}, {Type: "bitbucketServer", Host: "bb.acme.com"},
			{Type: "gitea", Host: "gitea.com"}, {Type: "bitbucketCloud", Host: "bitbucket.org"},
		}, nil)
		o := Options{Sources: s}
		at, err := o.address(base, "/shared/a b")
		require.NoError(t, err)
		require.Equal(t, want, at.String())
		at, err = o.address(base, "//evil.com/x")
		require.NoError(t, err)
		require.Equal(t, strings.Replace(want, "shared/a%20b", "evil.com/x", 1), at.String(), "it stays in the repository")
	}
	require.Equal(t, map[string]string{"github.com": "github"}, NewSources([]Integration{{Type: "github", Host: "github.com"}, {Type: "cvs", Host: "x"}}, nil).Types())
}

func TestSources_ArchiveOnAnotherHost_TokenStaysBehind(t *testing.T) {
	t.Parallel()
	double := &hosts{
		bounce:  map[string]string{"api.github.com /repos/o/r/tarball": "https://codeload.github.com/o/r/legacy.tar.gz/refs/heads/main?token=once"},
		answers: map[string][]byte{"codeload.github.com /o/r/legacy.tar.gz/refs/heads/main?token=once": repository(t, "o-r-1")},
	}
	a := &attempt{options: Options{Sources: internet(t, double, []Integration{{Type: "github", Host: "github.com", Secret: secrets.New("ours")}}, nil)}}
	require.NoError(t, a.do(t, Plain, in{"url": "https://github.com/o/r"}))
	require.Equal(t, []string{
		"api.github.com /repos/o/r/tarball Bearer ours", "codeload.github.com /o/r/legacy.tar.gz/refs/heads/main?token=once",
	}, double.asked)

	double.bounce["api.github.com /repos/o/r/tarball"] = "https://evil.com/?token=once"
	err := a.do(t, Plain, in{"url": "https://github.com/o/r"})
	require.ErrorIs(t, err, fault.Denied)
	require.Contains(t, err.Error(), "https://evil.com/ may not be read")
	require.NotContains(t, err.Error(), "once")
}

func TestSources_PlainHTTPS_FilesOfAllowedHosts(t *testing.T) {
	t.Parallel()
	double := &hosts{answers: map[string][]byte{"files.acme.com /public/a.txt?v=1": []byte("a\xff\x00")}}
	a := &attempt{options: Options{Sources: internet(t, double, nil, []Allowed{{Host: "files.acme.com", Paths: []string{"/public/"}}, {Host: "*.example.com"}})}}
	require.NoError(t, a.do(t, PlainFile, in{"url": "https://files.acme.com/public/a.txt?v=1", "targetPath": "a"}))
	require.NoError(t, a.do(t, PlainFile, in{"url": "https://files.acme.com/public/a.txt?v=1", "targetPath": "a", "token": "theirs"}))
	require.Equal(t, map[string]string{"a": "a\xff\x00"}, a.got(t))
	require.Equal(t, []string{"files.acme.com /public/a.txt?v=1", "files.acme.com /public/a.txt?v=1 Bearer theirs"}, double.asked)

	for url, kind := range map[string]fault.Kind{
		"https://files.acme.com/private": fault.Denied, "https://evil.com/a": fault.Denied, "http://files.acme.com/public/a.txt": fault.Denied,
		"https://a.example.com/x": fault.Denied, "https://files.acme.com/public/none?secret": fault.NotFound,
	} {
		err := a.do(t, PlainFile, in{"url": url, "targetPath": "x"})
		require.ErrorIs(t, err, kind, url)
		require.NotContains(t, err.Error(), "secret")
	}
	err := a.do(t, Plain, in{"url": "https://files.acme.com/public/"})
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, err.Error(), "fetch:plain:file")
}

func TestSources_Refusals_AreTypedFaults(t *testing.T) {
	t.Parallel()
	answering := func(answer http.HandlerFunc) *attempt {
		return &attempt{options: Options{Sources: internet(t, answer, []Integration{{Type: "github", Host: "github.com"}}, nil)}}
	}
	for code, kind := range map[int]fault.Kind{
		http.StatusNotFound: fault.NotFound, http.StatusUnauthorized: fault.Denied, http.StatusForbidden: fault.Denied,
		http.StatusTooManyRequests: fault.RateLimited, http.StatusBadGateway: fault.Unavailable, http.StatusTeapot: fault.Internal,
	} {
		a := answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		require.ErrorIs(t, a.do(t, Plain, in{"url": "https://github.com/o/r"}), kind, code)
	}
	err := answering(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusForbidden)
	}).do(t, Plain, in{"url": "https://github.com/o/r"})
	require.ErrorIs(t, err, fault.RateLimited)
	require.Equal(t, 30*time.Second, fault.From(err).RetryAfter)

	cut := repository(t, "r")
	for name, answer := range map[string][]byte{"no archive": []byte("<html>"), "cut off": cut[:len(cut)/2], "nothing": nil, "no zip": []byte("PK\x03\x04 and no more")} {
		a := answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
		require.ErrorIs(t, a.do(t, Plain, in{"url": "https://github.com/o/r"}), fault.Unavailable, name)
	}
}
