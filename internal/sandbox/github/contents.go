package github

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

const emptyRepository = "Git Repository is empty."

// commitOf resolves the ref that a request names, by default the default branch, and answers itself when there is none.
func (d *Double) commitOf(w http.ResponseWriter, r *http.Request, repo repository, ref string) (string, bool) {
	if len(repo.Refs) == 0 {
		refuse(w, http.StatusConflict, emptyRepository, "")
		return "", false
	}
	if ref == "" {
		ref = repo.DefaultBranch
	}
	sha, err := d.git.resolve(r.Context(), repo.ID, ref)
	if errors.Is(err, errAbsent) {
		refuse(w, http.StatusUnprocessableEntity, "No commit found for SHA: "+ref, "/commits/commits")
		return "", false
	}
	if err != nil {
		failed(w, err)
		return "", false
	}
	return sha, true
}

// cleanPath makes a path inside a repository canonical; false means that it leads outside.
func cleanPath(p string) (string, bool) {
	p = strings.Trim(p, "/")
	if p == "" {
		return "", true
	}
	clean := path.Clean(p)
	return clean, clean != ".." && !strings.HasPrefix(clean, "../") && !strings.ContainsAny(clean, "\n\x00")
}

func (d *Double) getContents(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/repos/contents#get-repository-content"
	p := r.PathValue("path")
	if strings.HasSuffix(r.URL.Path, "/readme") && !strings.Contains(r.URL.Path, "/contents/") {
		p = "README.md"
	}
	p, ok := cleanPath(p)
	ref := r.URL.Query().Get("ref")
	if ref == "" {
		ref = repo.DefaultBranch
	}
	if len(repo.Refs) == 0 {
		refuse(w, http.StatusNotFound, "This repository is empty.", anchor)
		return
	}
	sha, err := d.git.resolve(r.Context(), repo.ID, ref)
	if errors.Is(err, errAbsent) {
		refuse(w, http.StatusNotFound, "No commit found for the ref "+ref, anchor)
		return
	}
	var o object
	if err == nil && ok {
		o, err = d.git.object(r.Context(), repo.ID, sha+":"+p)
	}
	switch {
	case !ok || errors.Is(err, errAbsent):
		refuse(w, http.StatusNotFound, "Not Found", anchor)
	case err != nil:
		failed(w, err)
	case o.kind == "tree":
		d.listing(w, r, repo, ref, p, o.sha)
	case strings.Contains(r.Header.Get("Accept"), "raw"):
		w.Header().Set("Content-Type", "application/vnd.github.raw; charset=utf-8")
		_, _ = w.Write(o.data)
	default:
		v := d.fileJSON(repo, ref, p, "file", o.sha, int64(len(o.data)))
		v["encoding"], v["content"] = "base64", wrapped(o.data)
		rest.JSON(w, 200, v)
	}
}

func (d *Double) listing(w http.ResponseWriter, r *http.Request, repo repository, ref, dir, sha string) {
	entries, err := d.git.tree(r.Context(), repo.ID, sha, false)
	if err != nil {
		failed(w, err)
		return
	}
	answer := []any{}
	for _, e := range entries {
		kind := map[string]string{"blob": "file", "tree": "dir", "commit": "submodule"}[e.kind]
		if e.mode == "120000" {
			kind = "symlink"
		}
		answer = append(answer, d.fileJSON(repo, ref, path.Join(dir, e.path), kind, e.sha, e.size))
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) fileJSON(repo repository, ref, p, kind, sha string, size int64) map[string]any {
	api, html := d.URL+"/repos/"+repo.fullName(), d.URL+"/"+repo.fullName()
	self := api + "/contents/" + p + "?ref=" + ref
	git, page := api+"/git/blobs/"+sha, html+"/blob/"+ref+"/"+p
	var download any = html + "/raw/" + ref + "/" + p
	if kind == "dir" {
		git, page, download = api+"/git/trees/"+sha, html+"/tree/"+ref+"/"+p, nil
	}
	return map[string]any{
		"type": kind, "size": size, "name": path.Base(p), "path": p, "sha": sha,
		"url": self, "git_url": git, "html_url": page, "download_url": download,
		"_links": map[string]string{"self": self, "git": git, "html": page},
	}
}

// wrapped is base64 in lines of sixty, as GitHub sends it.
func wrapped(data []byte) string {
	s := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(s) > 0 {
		n := min(60, len(s))
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	return b.String()
}

func (d *Double) commitJSON(ctx context.Context, repo repository, sha string) (map[string]any, error) {
	out, err := d.git.run(ctx, repo.ID, "", "show", "--no-patch", "--date=iso-strict",
		"--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B", sha)
	if err != nil {
		return nil, err
	}
	f := strings.SplitN(out, "\x00", 9)
	if len(f) != 9 {
		return nil, errors.New("git show: unexpected answer")
	}
	api := d.URL + "/repos/" + repo.fullName()
	parents := []any{}
	for _, p := range strings.Fields(f[1]) {
		parents = append(parents, map[string]string{"sha": p, "url": api + "/commits/" + p, "html_url": d.URL + "/" + repo.fullName() + "/commit/" + p})
	}
	person := func(i int) map[string]string { return map[string]string{"name": f[i], "email": f[i+1], "date": f[i+2]} }
	return map[string]any{
		"sha": sha, "node_id": "C_" + sha, "url": api + "/commits/" + sha, "html_url": d.URL + "/" + repo.fullName() + "/commit/" + sha,
		"author": nil, "committer": nil, "parents": parents, "comments_url": api + "/commits/" + sha + "/comments",
		"commit": map[string]any{
			"author": person(2), "committer": person(5), "message": strings.TrimRight(f[8], "\n"),
			"tree": map[string]string{"sha": f[0], "url": api + "/git/trees/" + f[0]},
			"url":  api + "/git/commits/" + sha, "comment_count": 0,
			"verification": map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil},
		},
	}, nil
}

func (d *Double) listCommits(w http.ResponseWriter, r *http.Request, repo repository) {
	sha, ok := d.commitOf(w, r, repo, r.URL.Query().Get("sha"))
	if !ok {
		return
	}
	out, err := d.git.run(r.Context(), repo.ID, "", "rev-list", "--max-count=1000", sha)
	if err != nil {
		failed(w, err)
		return
	}
	answer := []any{}
	for _, sha := range page(d, w, r, strings.Fields(out)) {
		v, err := d.commitJSON(r.Context(), repo, sha)
		if err != nil {
			failed(w, err)
			return
		}
		answer = append(answer, v)
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) getCommit(w http.ResponseWriter, r *http.Request, repo repository) {
	sha, ok := d.commitOf(w, r, repo, r.PathValue("ref"))
	if !ok {
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "sha") {
		w.Header().Set("Content-Type", "application/vnd.github.sha; charset=utf-8")
		_, _ = w.Write([]byte(sha))
		return
	}
	v, err := d.commitJSON(r.Context(), repo, sha)
	if err != nil {
		failed(w, err)
		return
	}
	v["files"], v["stats"] = []any{}, map[string]int{"total": 0, "additions": 0, "deletions": 0}
	rest.JSON(w, 200, v)
}

func (d *Double) getStatus(w http.ResponseWriter, r *http.Request, repo repository) {
	sha, ok := d.commitOf(w, r, repo, r.PathValue("ref"))
	if !ok {
		return
	}
	api := d.URL + "/repos/" + repo.fullName()
	rest.JSON(w, 200, map[string]any{
		"state": "pending", "statuses": []any{}, "sha": sha, "total_count": 0, "repository": d.repoJSON(repo),
		"commit_url": api + "/commits/" + sha, "url": api + "/commits/" + sha + "/status",
	})
}

func (d *Double) getRef(w http.ResponseWriter, r *http.Request, repo repository) {
	if len(repo.Refs) == 0 {
		refuse(w, http.StatusConflict, emptyRepository, "/git/refs#get-a-reference")
		return
	}
	name := "refs/" + r.PathValue("ref")
	sha, ok := repo.Refs[name]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "/git/refs#get-a-reference")
		return
	}
	o, err := d.git.object(r.Context(), repo.ID, sha)
	if err != nil {
		failed(w, err)
		return
	}
	api := d.URL + "/repos/" + repo.fullName() + "/git/"
	rest.JSON(w, 200, map[string]any{
		"ref": name, "node_id": "REF_" + sha, "url": api + name,
		"object": map[string]string{"type": o.kind, "sha": sha, "url": api + o.kind + "s/" + sha},
	})
}

func (d *Double) getTree(w http.ResponseWriter, r *http.Request, repo repository) {
	if len(repo.Refs) == 0 {
		refuse(w, http.StatusConflict, emptyRepository, "/git/trees#get-a-tree")
		return
	}
	name := r.PathValue("sha")
	sha, err := d.git.resolve(r.Context(), repo.ID, name)
	if err == nil {
		sha += "^{tree}"
	} else if fullSHA.MatchString(name) {
		sha = name
	} else {
		refuse(w, http.StatusNotFound, "Not Found", "/git/trees#get-a-tree")
		return
	}
	o, err := d.git.object(r.Context(), repo.ID, sha)
	if err != nil || o.kind != "tree" {
		refuse(w, http.StatusNotFound, "Not Found", "/git/trees#get-a-tree")
		return
	}
	entries, err := d.git.tree(r.Context(), repo.ID, o.sha, r.URL.Query().Get("recursive") != "")
	if err != nil {
		failed(w, err)
		return
	}
	api := d.URL + "/repos/" + repo.fullName() + "/git/"
	list := []any{}
	for _, e := range entries {
		v := map[string]any{"path": e.path, "mode": e.mode, "type": e.kind, "sha": e.sha, "url": api + e.kind + "s/" + e.sha}
		if e.kind == "blob" {
			v["size"] = e.size
		}
		list = append(list, v)
	}
	rest.JSON(w, 200, map[string]any{"sha": o.sha, "url": api + "trees/" + o.sha, "tree": list, "truncated": false})
}

func (d *Double) getBlob(w http.ResponseWriter, r *http.Request, repo repository) {
	sha := r.PathValue("sha")
	if !fullSHA.MatchString(sha) {
		refuse(w, http.StatusUnprocessableEntity, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].", "/git/blobs#get-a-blob")
		return
	}
	o, err := d.git.object(r.Context(), repo.ID, sha)
	if err != nil || o.kind != "blob" {
		refuse(w, http.StatusNotFound, "Not Found", "/git/blobs#get-a-blob")
		return
	}
	rest.JSON(w, 200, map[string]any{
		"sha": o.sha, "node_id": "B_" + o.sha, "size": len(o.data), "url": d.URL + "/repos/" + repo.fullName() + "/git/blobs/" + o.sha,
		"content": wrapped(o.data), "encoding": "base64",
	})
}

// getTarball sends the client on to the archive, as GitHub does.
func (d *Double) getTarball(w http.ResponseWriter, r *http.Request, repo repository) {
	sha, ok := d.commitOf(w, r, repo, r.PathValue("ref"))
	if !ok {
		return
	}
	w.Header().Set("Location", d.URL+"/"+repo.fullName()+"/archive/"+sha+".tar.gz")
	w.WriteHeader(http.StatusFound)
}
