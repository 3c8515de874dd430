package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

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

// host answers as GitHub's API does and remembers what it was asked.
func host(t *testing.T, answer http.HandlerFunc) (*attempt, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization"))
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	reader := GitHub{APIBaseURL: server.URL, Token: secrets.New("ours")}
	return &attempt{
		options: Options{Hosts: map[string]Reader{"github.com": reader}},
		base:    "https://github.com/acme/templates/blob/main/node/template.yaml",
	}, &asked
}

func TestGitHub_FolderBesideTheTemplate_ReadFromItsArchive(t *testing.T) {
	t.Parallel()
	archive := tarball(t,
		tar.Header{Name: "acme-templates-1a2b/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "acme-templates-1a2b/README.md", Mode: 0o644},
		tar.Header{Name: "acme-templates-1a2b/node/skeleton/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "acme-templates-1a2b/node/skeleton/run.sh", Mode: 0o755},
		tar.Header{Name: "acme-templates-1a2b/node/skeleton/link", Typeflag: tar.TypeSymlink, Linkname: "run.sh"},
		tar.Header{Name: "acme-templates-1a2b/node/skeleton/out", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc/passwd"},
		tar.Header{Name: "acme-templates-1a2b/node/skeleton-not/x", Mode: 0o644},
	)
	a, asked := host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	require.NoError(t, a.do(t, Plain, in{"url": "./skeleton"}))
	require.Equal(t, map[string]string{
		"run.sh": "content of acme-templates-1a2b/node/skeleton/run.sh", "link": "-> run.sh",
	}, a.got(t))
	require.Equal(t, []string{"/repos/acme/templates/tarball/main Bearer ours"}, *asked)

	require.NoError(t, a.do(t, Plain, in{"url": "/node", "targetPath": "root", "token": "theirs"}))
	require.NoError(t, a.do(t, Plain, in{"url": "https://github.com/acme/templates", "targetPath": "all"}))
	require.Equal(t, []string{"/repos/acme/templates/tarball/main Bearer theirs", "/repos/acme/templates/tarball Bearer ours"}, (*asked)[1:])
	require.Contains(t, a.got(t), "root/skeleton/run.sh")
	require.Contains(t, a.got(t), "all/README.md")

	require.ErrorIs(t, a.do(t, Plain, in{"url": "./nowhere"}), fault.NotFound)
	require.ErrorIs(t, a.do(t, Plain, in{"url": "https://github.com/acme/templates/pulls"}), fault.Invalid)
	require.ErrorIs(t, a.do(t, Plain, in{"url": "https://github.com/acme/templates/tree/main/a/../../../x"}), fault.Denied)
}

func TestGitHub_EvilNames_Refused(t *testing.T) {
	t.Parallel()
	archive := tarball(t, tar.Header{Name: "root/../../etc/cron.d/x", Mode: 0o644})
	a, _ := host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	require.ErrorIs(t, a.do(t, Plain, in{"url": "https://github.com/acme/templates"}), fault.Denied)
}

func TestGitHub_Refusals_AreTypedFaults(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]fault.Kind{
		http.StatusNotFound: fault.NotFound, http.StatusUnauthorized: fault.Denied, http.StatusForbidden: fault.Denied,
		http.StatusTooManyRequests: fault.RateLimited, http.StatusBadGateway: fault.Unavailable, http.StatusTeapot: fault.Internal,
	} {
		a, _ := host(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), kind, code)
	}
	a, _ := host(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusForbidden)
	})
	err := a.do(t, Plain, in{"url": "./skeleton"})
	require.ErrorIs(t, err, fault.RateLimited)
	require.Equal(t, 30*time.Second, fault.From(err).RetryAfter)

	a, _ = host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("not an archive")) })
	require.ErrorIs(t, a.do(t, Plain, in{"url": "./skeleton"}), fault.Unavailable)
}
