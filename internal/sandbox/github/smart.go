package github

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
)

// packLimit is the size in bytes of the largest push.
const packLimit = 512 << 20

// smart serves git's smart HTTP protocol through git http-backend.
func (d *Double) smart(w http.ResponseWriter, r *http.Request) {
	push := strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	repo, ok := d.find(r.PathValue("owner"), strings.TrimSuffix(r.PathValue("repo"), ".git"))
	who := d.access(r)
	switch {
	case who == badToken, who == anonymous && (!ok || push || repo.private()):
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Invalid username or token.", http.StatusUnauthorized)
		return
	case !ok:
		http.Error(w, "Repository not found.", http.StatusNotFound)
		return
	case push && repo.Archived:
		http.Error(w, "This repository was archived so it is read-only.", http.StatusForbidden)
		return
	}
	if r.Method == http.MethodPost {
		body, err := spool(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		defer body.Close()
	}
	if !push || r.Method == http.MethodGet {
		d.backend(w, r, repo)
		return
	}
	// A push is answered after it is counted: what the client knows, the ledger knows.
	defer d.lock(repo.ID)()
	if current, still := d.find(repo.Owner, repo.Name); !still || current.ID != repo.ID {
		http.Error(w, "Repository not found.", http.StatusNotFound)
		return
	} else {
		repo = current
	}
	answer := &held{header: http.Header{}, status: http.StatusOK}
	d.backend(answer, r, repo)
	if err := d.settle(context.WithoutCancel(r.Context()), repo); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes())
}

// backend runs git http-backend on one repository.
func (d *Double) backend(w http.ResponseWriter, r *http.Request, repo repository) {
	inner := r.Clone(r.Context())
	inner.Header.Del("Authorization")
	action := strings.TrimPrefix(r.URL.Path, "/"+r.PathValue("owner")+"/"+r.PathValue("repo"))
	inner.URL.Path = "/" + filepath.Base(d.git.dir(repo.ID)) + action
	env := append(d.git.env(), "GIT_PROJECT_ROOT="+d.git.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+actor,
		"GILDWAY_PROTECTED="+strings.Join(repo.closedRefs(), " "))
	if protocol := r.Header.Get("Git-Protocol"); protocol != "" {
		env = append(env, "GIT_PROTOCOL="+protocol)
	}
	handler := cgi.Handler{Path: d.git.bin, Args: []string{"http-backend"}, Dir: d.git.root, Env: env, Stderr: io.Discard}
	handler.ServeHTTP(w, inner)
}

// spool puts the body into a file, because CGI needs its length and git sends large ones in chunks.
func spool(w http.ResponseWriter, r *http.Request) (io.Closer, error) {
	f, err := os.CreateTemp("", "gildway-push-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	n, err := io.Copy(f, http.MaxBytesReader(w, r.Body, packLimit))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(f), n, nil
	r.Header.Set("Content-Length", strconv.FormatInt(n, 10))
	return f, nil
}

// held is an answer kept back.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *held) WriteHeader(status int)      { h.status = status }

// settle counts a push if git's refs are not the ones last seen, and tells who wants to know.
func (d *Double) settle(ctx context.Context, repo repository) error {
	refs, err := d.git.refs(ctx, repo.ID)
	if err != nil {
		return err
	}
	pushed := false
	err = d.Ledger.Update(func(tx *ledger.Tx) error {
		stored, ok := ledger.Get[repository](tx, reposBucket, repo.key())
		if pushed = ok && stored.ID == repo.ID && !maps.Equal(stored.Refs, refs); !pushed {
			return nil
		}
		stored.Refs, stored.PushedAt = refs, time.Now().UTC()
		tx.Put(reposBucket, repo.key(), stored)
		tx.Effect("github.push", repo.fullName())
		return nil
	})
	if pushed && err == nil && d.OnPush != nil {
		d.OnPush(repo.Owner, repo.Name)
	}
	return err
}
