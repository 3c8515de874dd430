package github

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

// invalid is a 422 of the git database API.
func invalid(w http.ResponseWriter, message, anchor string) {
	refuse(w, http.StatusUnprocessableEntity, message, "/git/"+anchor)
}

// filled answers itself for a repository without commits, whose git database GitHub keeps closed.
func filled(next repoHandler) repoHandler {
	return func(w http.ResponseWriter, r *http.Request, repo repository) {
		if len(repo.Refs) == 0 {
			refuse(w, http.StatusConflict, emptyRepository, "/git")
			return
		}
		next(w, r, repo)
	}
}

func (d *Double) postBlob(w http.ResponseWriter, r *http.Request, repo repository) {
	body := struct {
		Content  *string
		Encoding string
	}{Encoding: "utf-8"}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	var content []byte
	var err error
	switch {
	case body.Content == nil:
		err = errors.New("no content")
	case body.Encoding == "utf-8":
		content = []byte(*body.Content)
	case body.Encoding == "base64":
		content, err = base64.StdEncoding.DecodeString(*body.Content)
	default:
		err = errors.New("unknown encoding")
	}
	if err != nil {
		invalid(w, "content isn't properly encoded", "blobs#create-a-blob")
		return
	}
	sha, err := d.git.blob(r.Context(), repo.ID, string(content))
	done(w, err, func() {
		rest.JSON(w, http.StatusCreated, map[string]any{"sha": sha, "url": d.URL + "/repos/" + repo.fullName() + "/git/blobs/" + sha})
	})
}

func (g gitStore) blob(ctx context.Context, id int64, content string) (string, error) {
	out, err := g.run(ctx, id, content, "hash-object", "-w", "--stdin")
	return strings.TrimSpace(out), err
}

// newEntry is an entry of a tree to be made. Neither SHA nor content deletes what is at the path.
type newEntry struct {
	Path, Mode, Type string
	SHA, Content     *string
}

var fileModes = []string{"100644", "100755", "120000"}

func (d *Double) postTree(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "trees#create-a-tree"
	var body struct {
		Base string `json:"base_tree"`
		Tree []newEntry
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	if len(body.Tree) == 0 {
		invalid(w, "Invalid tree info", anchor)
		return
	}
	var lines strings.Builder
	for _, e := range body.Tree {
		clean, inside := cleanPath(e.Path)
		switch {
		case !inside || clean != e.Path || clean == "":
			invalid(w, "tree.path contains a malformed path component", anchor)
			return
		case !slices.Contains(fileModes, e.Mode) || e.Type != "blob":
			invalid(w, "tree.mode or tree.type is invalid", anchor)
			return
		case e.SHA != nil && e.Content != nil:
			invalid(w, "Must supply either tree.sha or tree.content", anchor)
			return
		case e.SHA == nil && e.Content == nil:
			lines.WriteString("0 " + strings.Repeat("0", 40) + "\t" + e.Path + "\n")
			continue
		}
		sha := ""
		if e.SHA != nil {
			o, err := d.git.object(r.Context(), repo.ID, *e.SHA)
			if err != nil || o.kind != "blob" {
				invalid(w, "tree.sha "+*e.SHA+" is not a valid blob", anchor)
				return
			}
			sha = o.sha
		} else {
			var err error
			if sha, err = d.git.blob(r.Context(), repo.ID, *e.Content); err != nil {
				failed(w, err)
				return
			}
		}
		lines.WriteString(e.Mode + " " + sha + "\t" + e.Path + "\n")
	}
	if body.Base != "" {
		if o, err := d.git.object(r.Context(), repo.ID, body.Base+"^{tree}"); err != nil || o.kind != "tree" {
			refuse(w, http.StatusNotFound, "Not Found", "/git/"+anchor)
			return
		}
	}
	sha, err := d.git.plant(r.Context(), repo.ID, body.Base, lines.String())
	done(w, err, func() {
		rest.JSON(w, http.StatusCreated, map[string]any{
			"sha": sha, "url": d.URL + "/repos/" + repo.fullName() + "/git/trees/" + sha, "tree": []any{}, "truncated": false,
		})
	})
}

// plant makes a tree of another one and lines for update-index.
func (g gitStore) plant(ctx context.Context, id int64, base, lines string) (string, error) {
	dir, err := os.MkdirTemp("", "gildway-index-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	run := func(stdin string, args ...string) (string, error) {
		cmd := g.command(ctx, id, args...)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+dir+"/index")
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	if base != "" {
		if _, err := run("", "read-tree", base); err != nil {
			return "", err
		}
	}
	if _, err := run(lines, "update-index", "--index-info"); err != nil {
		return "", err
	}
	return run("", "write-tree")
}

// signature is who made a commit.
type signature struct{ Name, Email, Date string }

func (d *Double) postCommit(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "commits#create-a-commit"
	var body struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *signature
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	args := []string{"commit-tree", "-F", "-"}
	for _, parent := range body.Parents {
		if o, err := d.git.object(r.Context(), repo.ID, parent); !fullSHA.MatchString(parent) || err != nil || o.kind != "commit" {
			invalid(w, "Parent SHA does not exist or is not a commit object", anchor)
			return
		}
		args = append(args, "-p", parent)
	}
	if o, err := d.git.object(r.Context(), repo.ID, body.Tree); !fullSHA.MatchString(body.Tree) || err != nil || o.kind != "tree" {
		invalid(w, "Tree SHA does not exist", anchor)
		return
	}
	if body.Message == "" {
		invalid(w, "Invalid request.\n\n\"message\" wasn't supplied.", anchor)
		return
	}
	cmd := d.git.command(r.Context(), repo.ID, append(args, body.Tree)...)
	if body.Committer == nil {
		body.Committer = body.Author
	}
	for role, by := range map[string]*signature{"AUTHOR": body.Author, "COMMITTER": body.Committer} {
		if by == nil {
			continue
		}
		if by.Name == "" || by.Email == "" {
			invalid(w, "Invalid request.\n\nAn author needs name and email.", anchor)
			return
		}
		cmd.Env = append(cmd.Env, "GIT_"+role+"_NAME="+by.Name, "GIT_"+role+"_EMAIL="+by.Email)
		if by.Date != "" {
			cmd.Env = append(cmd.Env, "GIT_"+role+"_DATE="+by.Date)
		}
	}
	cmd.Stdin = strings.NewReader(body.Message)
	out, err := cmd.Output()
	done(w, err, func() { d.showCommit(w, r, repo, strings.TrimSpace(string(out)), http.StatusCreated) })
}

func (d *Double) getGitCommit(w http.ResponseWriter, r *http.Request, repo repository) {
	sha := r.PathValue("sha")
	if o, err := d.git.object(r.Context(), repo.ID, sha); !fullSHA.MatchString(sha) || err != nil || o.kind != "commit" {
		refuse(w, http.StatusNotFound, "Not Found", "/git/commits#get-a-commit-object")
		return
	}
	d.showCommit(w, r, repo, sha, http.StatusOK)
}

// showCommit shows the commit as the git database does, where its parts are not below "commit".
func (d *Double) showCommit(w http.ResponseWriter, r *http.Request, repo repository, sha string, status int) {
	v, err := d.commitJSON(r.Context(), repo, sha)
	if err != nil {
		failed(w, err)
		return
	}
	inner := v["commit"].(map[string]any)
	inner["sha"], inner["node_id"], inner["html_url"], inner["parents"] = v["sha"], v["node_id"], v["html_url"], v["parents"]
	rest.JSON(w, status, inner)
}

func (d *Double) postRef(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "refs#create-a-reference"
	var body struct{ Ref, SHA string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	name, ok := strings.CutPrefix(body.Ref, "refs/heads/")
	if !ok || !refName.MatchString(name) || strings.Contains(name, "..") {
		invalid(w, "Reference name must start with 'refs/' and be valid", anchor)
		return
	}
	d.moveRef(w, r, repo, body.Ref, anchor, func(now repository) bool {
		if _, taken := now.Refs[body.Ref]; taken {
			invalid(w, "Reference already exists", anchor)
			return false
		}
		return d.isCommit(w, r, repo, body.SHA, anchor)
	}, body.SHA, func(now repository) { d.showRef(w, now, body.Ref, http.StatusCreated) })
}

func (d *Double) patchRef(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "refs#update-a-reference"
	var body struct {
		SHA   string
		Force bool
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	ref := "refs/" + r.PathValue("ref")
	d.moveRef(w, r, repo, ref, anchor, func(now repository) bool {
		tip, there := now.Refs[ref]
		if !there {
			invalid(w, "Reference does not exist", anchor)
			return false
		}
		if !d.isCommit(w, r, repo, body.SHA, anchor) {
			return false
		}
		if _, err := d.git.run(r.Context(), repo.ID, "", "merge-base", "--is-ancestor", tip, body.SHA); err != nil && !body.Force {
			invalid(w, "Update is not a fast forward", anchor)
			return false
		}
		return true
	}, body.SHA, func(now repository) { d.showRef(w, now, ref, http.StatusOK) })
}

func (d *Double) deleteRef(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "refs#delete-a-reference"
	ref := "refs/" + r.PathValue("ref")
	d.moveRef(w, r, repo, ref, anchor, func(now repository) bool {
		if _, there := now.Refs[ref]; !there {
			invalid(w, "Reference does not exist", anchor)
			return false
		}
		return true
	}, "", func(repository) { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) isCommit(w http.ResponseWriter, r *http.Request, repo repository, sha, anchor string) bool {
	if o, err := d.git.object(r.Context(), repo.ID, sha); len(sha) != 40 || err != nil || o.kind != "commit" {
		invalid(w, "Object does not exist", anchor)
		return false
	}
	return true
}

// moveRef points a ref to a commit, "" for nowhere, if it may. What goes on with pull requests is as after a push.
func (d *Double) moveRef(w http.ResponseWriter, r *http.Request, repo repository, ref, anchor string, may func(now repository) bool, sha string, answer func(now repository)) {
	defer d.lock(repo.ID)()
	now, ok := d.find(repo.Owner, repo.Name)
	if !ok || now.ID != repo.ID {
		refuse(w, http.StatusNotFound, "Not Found", "/git/"+anchor)
		return
	}
	if slices.Contains(now.closedRefs(), ref) {
		invalid(w, "Changes must be made through a pull request.", anchor)
		return
	}
	if !may(now) {
		return
	}
	args := []string{"update-ref", ref, sha}
	if sha == "" {
		args = []string{"update-ref", "-d", ref}
	}
	ctx := context.WithoutCancel(r.Context())
	_, err := d.git.run(ctx, repo.ID, "", args...)
	if err == nil {
		err = d.settle(ctx, now)
	}
	if err == nil && sha == "" {
		_, err = d.change(now, "github.pull.closed", now.fullName()+"/"+strings.TrimPrefix(ref, "refs/heads/"), func(r *repository) {
			for i, p := range r.Pulls {
				if p.State == "open" && "refs/heads/"+p.Head == ref {
					r.Pulls[i].State, r.Pulls[i].SHA = "closed", now.Refs[ref]
				}
			}
		})
	}
	done(w, err, func() {
		now, _ = d.find(repo.Owner, repo.Name)
		answer(now)
	})
}

func (d *Double) showRef(w http.ResponseWriter, repo repository, ref string, status int) {
	sha := repo.Refs[ref]
	api := d.URL + "/repos/" + repo.fullName() + "/git/"
	rest.JSON(w, status, map[string]any{
		"ref": ref, "node_id": "REF_" + sha, "url": api + ref,
		"object": map[string]string{"type": "commit", "sha": sha, "url": api + "commits/" + sha},
	})
}
