package github

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// locate splits what follows blob/, tree/ or raw/ into a commit and a path. Branch names may contain
// slashes, so the longest ref that exists wins.
func (d *Double) locate(ctx context.Context, repo repository, rest string) (sha, ref, file string, err error) {
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	for n := len(parts); n > 0; n-- {
		ref := strings.Join(parts[:n], "/")
		_, branch := repo.Refs["refs/heads/"+ref]
		_, tag := repo.Refs["refs/tags/"+ref]
		if !branch && !tag && !(n == 1 && (ref == "HEAD" || fullSHA.MatchString(ref))) {
			continue
		}
		name := ref
		if ref == "HEAD" {
			name = repo.DefaultBranch
		}
		sha, err := d.git.resolve(ctx, repo.ID, name)
		if err != nil {
			return "", "", "", err
		}
		file, ok := cleanPath(strings.Join(parts[n:], "/"))
		if !ok {
			return "", "", "", errAbsent
		}
		return sha, ref, file, nil
	}
	return "", "", "", errAbsent
}

// ReadFile reads a file by its web path below the double, such as acme-org/shop/blob/main/catalog-info.yaml,
// where blob may also be tree or raw. The error of what isn't there is fs.ErrNotExist.
func (d *Double) ReadFile(ctx context.Context, webPath string) ([]byte, error) {
	absent := fmt.Errorf("%s: %w", webPath, fs.ErrNotExist)
	parts := strings.SplitN(strings.Trim(webPath, "/"), "/", 4)
	if len(parts) != 4 || parts[2] != "blob" && parts[2] != "tree" && parts[2] != "raw" {
		return nil, absent
	}
	repo, ok := d.find(parts[0], parts[1])
	if !ok {
		return nil, absent
	}
	sha, _, file, err := d.locate(ctx, repo, parts[3])
	if err == nil {
		var o object
		if o, err = d.git.object(ctx, repo.ID, sha+":"+file); err == nil && o.kind == "blob" {
			return o.data, nil
		}
	}
	if err == nil || errors.Is(err, errAbsent) {
		return nil, absent
	}
	return nil, err
}

// visible finds the repository of a web page; a browser may sign in with the token as password.
func (d *Double) visible(w http.ResponseWriter, r *http.Request) (repository, bool) {
	repo, ok := d.find(r.PathValue("owner"), strings.TrimSuffix(r.PathValue("repo"), ".git"))
	who := d.access(r)
	if who == badToken || who == anonymous && ok && repo.private() {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub double: the token is the password"`)
		http.Error(w, "This repository is private.", http.StatusUnauthorized)
		return repo, false
	}
	if !ok {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return repo, false
	}
	return repo, true
}

var pages = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}pre{background:#f6f8fa;padding:1rem;overflow:auto}</style>
<h1><a href="{{.Home}}">{{.Name}}</a></h1>
<p>{{.Visibility}}{{with .Description}} · {{.}}{{end}}</p>
{{with .Path}}<h2>{{.}}</h2>{{end}}
{{if .File}}<pre>{{.Text}}</pre>{{else if .Entries}}<ul>{{range .Entries}}<li><a href="{{.Link}}">{{.Name}}</a></li>{{end}}</ul>
{{else}}<p>Nothing here yet.</p>{{end}}
<p>Clone: <code>git clone {{.Clone}}</code></p></html>
`))

type link struct{ Name, Link string }

// page shows a folder or a file to people, and a raw file to anyone.
func (d *Double) page(w http.ResponseWriter, r *http.Request) {
	repo, ok := d.visible(w, r)
	if !ok {
		return
	}
	home := d.URL + "/" + repo.fullName()
	view := map[string]any{
		"Title": repo.fullName(), "Name": repo.fullName(), "Home": home, "Clone": home + ".git",
		"Visibility": repo.Visibility, "Description": repo.Description,
	}
	rest := r.PathValue("path")
	if rest == "" {
		rest = repo.DefaultBranch
	}
	sha, ref, file, err := d.locate(r.Context(), repo, rest)
	var o object
	if err == nil {
		o, err = d.git.object(r.Context(), repo.ID, sha+":"+file)
	}
	empty := len(repo.Refs) == 0 && r.PathValue("path") == ""
	switch raw := strings.HasPrefix(r.URL.Path, "/"+r.PathValue("owner")+"/"+r.PathValue("repo")+"/raw/"); {
	case errors.Is(err, errAbsent) && !empty, err == nil && raw && o.kind != "blob":
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	case err != nil && !empty:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case raw:
		// Never as HTML: what people push must not run in the sandbox's own origin.
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(o.data)
		return
	case o.kind == "blob":
		view["Path"], view["File"], view["Text"] = file, true, string(o.data)
	case o.kind == "tree":
		entries, err := d.git.tree(r.Context(), repo.ID, o.sha, false)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var links []link
		for _, e := range entries {
			links = append(links, link{Name: e.path, Link: home + "/" + e.kind + "/" + path.Join(ref, file, e.path)})
		}
		view["Path"], view["Entries"] = file, links
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = pages.Execute(w, view)
}

func (d *Double) archive(w http.ResponseWriter, r *http.Request) {
	repo, ok := d.visible(w, r)
	if !ok {
		return
	}
	ref, isTar := strings.CutSuffix(r.PathValue("path"), ".tar.gz")
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
	sha, err := d.git.resolve(r.Context(), repo.ID, ref)
	if !isTar || err != nil {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	name := repo.Owner + "-" + repo.Name + "-" + sha[:7]
	w.Header().Set("Content-Type", "application/x-gzip")
	w.Header().Set("Content-Disposition", "attachment; filename="+strconv.Quote(name+".tar.gz"))
	if err := d.git.archive(r.Context(), repo.ID, sha, name, w); err != nil {
		panic(http.ErrAbortHandler) // half an archive must not look like a whole one
	}
}
