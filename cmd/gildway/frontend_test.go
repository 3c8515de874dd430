//go:build linux && frontend

package main_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFrontend_RealBackstage_WorksAgainstTheStack drives Backstage's own frontend, from npm and unchanged, in a browser.
// `make frontend` runs it; the screenshots are in bin/frontend.
func TestFrontend_RealBackstage_WorksAgainstTheStack(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err, "install Debian's package chromium")
	s := shared(t)
	site, packages := frontendSite(t)
	rosa := s.role("requester")
	patient, err := os.ReadFile("testdata/frontend/patient.yaml")
	require.NoError(t, err)
	s.registerTemplate(t, "patient", string(patient))
	portal := httptest.NewServer(s.portal(t, site, rosa))
	t.Cleanup(portal.Close)

	shots, err := filepath.Abs("../../bin/frontend")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(shots))
	require.NoError(t, os.MkdirAll(shots, 0o755))
	driver := filepath.Join(packages, "drive.mjs") // modules are looked up beside it
	require.NoError(t, copyFile("testdata/frontend/drive.mjs", driver))
	drive := exec.CommandContext(t.Context(), "node", driver, portal.URL, shots)
	drive.Env = append(os.Environ(), "CHROMIUM="+chromium)
	var complaints bytes.Buffer
	drive.Stderr = &complaints
	said, err := drive.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, drive.Start())
	var task string
	for lines := bufio.NewScanner(said); lines.Scan(); {
		t.Log(lines.Text())
		switch what, about, _ := strings.Cut(lines.Text(), " "); {
		case what == "task":
			task = about
		case lines.Text() == "waiting for approval":
			run{rosa, task}.approve(t)
		}
	}
	require.NoError(t, drive.Wait(), "%s", &complaints)
}

// portal is what a company's web server does: Backstage's app, sign-in and catalog, and the scaffolder of Gildway.
func (s *localStack) portal(t *testing.T, site string, user person) http.Handler {
	t.Helper()
	to := func(base string) http.Handler {
		target, err := url.Parse(base)
		require.NoError(t, err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.FlushInterval = -1
		return proxy
	}
	catalog := strings.TrimSuffix(s.endpoints.Sandbox["catalog"], "/api/catalog")
	mux := http.NewServeMux()
	mux.Handle("/api/scaffolder/", to(s.endpoints.API))
	mux.Handle("/api/catalog/", to(catalog))
	mux.HandleFunc("/api/auth/guest/refresh", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(map[string]any{"profile": map[string]any{}, "backstageIdentity": map[string]any{
			"token": user.token, "expiresInSeconds": 3599,
			"identity": map[string]any{"type": "user", "userEntityRef": "user:default/rosa", "ownershipEntityRefs": []string{"user:default/rosa"}},
		}})
	})
	page, err := os.ReadFile(filepath.Join(site, "index.html"))
	require.NoError(t, err)
	files := http.FileServerFS(os.DirFS(site))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if info, err := os.Stat(filepath.Join(site, filepath.Clean("/"+r.URL.Path))); err == nil && !info.IsDir() {
			files.ServeHTTP(w, r)
			return
		}
		self := "http://" + r.Host
		config, err := json.Marshal([]any{map[string]any{"context": "app", "data": map[string]any{
			"app":     map[string]any{"title": "Portal", "baseUrl": self, "packages": "all", "extensions": []any{map[string]any{"page:catalog": map[string]any{"config": map[string]any{"path": "/"}}}}},
			"backend": map[string]any{"baseUrl": self}, "auth": map[string]any{"environment": "development"},
		}}})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(bytes.Replace(page, []byte("__CONFIG__"), config, 1))
	})
	return mux
}

// frontendSite builds the app, once for each set of packages: folders of the site and of its packages.
func frontendSite(t *testing.T) (site, packages string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	source, err := filepath.Abs("testdata/frontend")
	require.NoError(t, err)
	sum := sha256.New()
	for _, name := range []string{"package-lock.json", "build.mjs", "index.jsx", "shim.js"} {
		raw, err := os.ReadFile(filepath.Join(source, name))
		require.NoError(t, err)
		sum.Write(raw)
	}
	packages = filepath.Join(cache, "gildway", "frontend-"+hex.EncodeToString(sum.Sum(nil))[:12])
	site = filepath.Join(packages, "site")
	if _, err := os.Stat(filepath.Join(site, "index.html")); err == nil {
		return site, packages
	}
	require.NoError(t, os.MkdirAll(packages, 0o755))
	for _, name := range []string{"package.json", "package-lock.json", "build.mjs", "index.jsx", "shim.js"} {
		require.NoError(t, copyFile(filepath.Join(source, name), filepath.Join(packages, name)))
	}
	for _, command := range [][]string{
		{"npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"},
		{"node", "build.mjs", ".", "site"},
	} {
		t.Log(strings.Join(command, " "))
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = packages
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	return site, packages
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o644)
}
