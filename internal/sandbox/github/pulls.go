package github

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// pull is a pull request from a branch of the same repository.
type pull struct {
	Number    int64     `json:"number"`
	State     string    `json:"state"` // open or closed
	Merged    bool      `json:"merged"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	Draft     bool      `json:"draft"`
	Head      string    `json:"head"` // branch
	Base      string    `json:"base"`
	SHA       string    `json:"sha"` // of the head when it was closed
	By        string    `json:"by"`
	Reviewers []string  `json:"reviewers"`
	Teams     []string  `json:"teams"`
	Assignees []string  `json:"assignees"`
	CreatedAt time.Time `json:"createdAt"`
}

// tip is the commit that the pull request asks to merge.
func (r repository) tip(p pull) string {
	if p.State == "open" {
		return r.Refs["refs/heads/"+p.Head]
	}
	return p.SHA
}

func (d *Double) pullJSON(repo repository, p pull) map[string]any {
	api, html := d.URL+"/repos/"+repo.fullName(), d.URL+"/"+repo.fullName()+"/pull/"+strconv.FormatInt(p.Number, 10)
	people := func(logins []string) []any {
		list := []any{}
		for _, login := range logins {
			if o, ok := d.owner(login); ok {
				list = append(list, d.ownerJSON(o))
			}
		}
		return list
	}
	teams := []any{}
	for _, slug := range p.Teams {
		if t, ok := d.team(repo.Owner, slug); ok {
			teams = append(teams, d.teamJSON(t))
		}
	}
	side := func(branch, sha string) map[string]any {
		return map[string]any{"ref": branch, "sha": sha, "label": repo.Owner + ":" + branch, "repo": d.repoJSON(repo)}
	}
	v := map[string]any{
		"id": number("pull", html), "number": p.Number, "state": p.State, "title": p.Title, "body": p.Body, "draft": p.Draft, "merged": p.Merged,
		"html_url": html, "url": api + "/pulls/" + strconv.FormatInt(p.Number, 10), "head": side(p.Head, repo.tip(p)), "base": side(p.Base, repo.Refs["refs/heads/"+p.Base]),
		"requested_reviewers": people(p.Reviewers), "requested_teams": teams, "assignees": people(p.Assignees), "created_at": stamp(p.CreatedAt), "merged_at": nil,
	}
	if p.Merged {
		v["merged_at"] = stamp(repo.UpdatedAt)
	}
	return v
}

func (d *Double) listPulls(w http.ResponseWriter, r *http.Request, repo repository) {
	q := r.URL.Query()
	state := q.Get("state")
	if state == "" {
		state = "open"
	}
	answer := []any{}
	for _, p := range slices.Backward(repo.Pulls) {
		if state != "all" && p.State != state ||
			strings.Contains(q.Get("head"), ":") && !strings.EqualFold(q.Get("head"), repo.Owner+":"+p.Head) ||
			q.Get("base") != "" && q.Get("base") != p.Base {
			continue
		}
		answer = append(answer, d.pullJSON(repo, p))
	}
	rest.JSON(w, 200, page(d, w, r, answer))
}

// pulling finds the pull request of the path, by its index.
func (d *Double) pulling(next func(w http.ResponseWriter, r *http.Request, repo repository, at int)) http.HandlerFunc {
	return d.writing(func(w http.ResponseWriter, r *http.Request, repo repository) {
		at := slices.IndexFunc(repo.Pulls, func(p pull) bool { return strconv.FormatInt(p.Number, 10) == r.PathValue("number") })
		if at < 0 {
			refuse(w, http.StatusNotFound, "Not Found", "/pulls/pulls")
			return
		}
		next(w, r, repo, at)
	})
}

func (d *Double) getPull(w http.ResponseWriter, r *http.Request, repo repository, at int) {
	rest.JSON(w, 200, d.pullJSON(repo, repo.Pulls[at]))
}

func (d *Double) postPull(w http.ResponseWriter, r *http.Request, repo repository) {
	var body struct {
		Title, Head, Base, Body string
		Draft                   bool
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	bad := func(p problem) {
		p.Resource = "PullRequest"
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/pulls/pulls#create-a-pull-request", p)
	}
	head := strings.TrimPrefix(body.Head, repo.Owner+":")
	tip, known := repo.Refs["refs/heads/"+head]
	base, target := repo.Refs["refs/heads/"+body.Base]
	switch {
	case body.Title == "":
		bad(problem{Code: "missing_field", Field: "title"})
		return
	case !known:
		bad(problem{Code: "invalid", Field: "head"})
		return
	case !target:
		bad(problem{Code: "invalid", Field: "base"})
		return
	}
	if _, err := d.git.run(r.Context(), repo.ID, "", "merge-base", "--is-ancestor", tip, base); err == nil {
		bad(problem{Code: "custom", Message: "No commits between " + body.Base + " and " + head})
		return
	}
	made := pull{
		State: "open", Title: body.Title, Body: body.Body, Draft: body.Draft, Head: head, Base: body.Base, By: d.account(r), CreatedAt: time.Now().UTC(),
	}
	err := d.Ledger.Update(func(tx *ledger.Tx) error { made.Number = tx.Next(idsBucket, "pull "+repo.key()); return nil })
	if err != nil {
		failed(w, err)
		return
	}
	taken := false
	now, err := d.change(repo, "github.pull.created", repo.fullName()+"/"+head, func(r *repository) {
		taken = slices.ContainsFunc(r.Pulls, func(p pull) bool { return p.State == "open" && p.Head == head && p.Base == made.Base })
		if !taken {
			r.Pulls = append(r.Pulls, made)
		}
	})
	done(w, err, func() {
		if taken {
			bad(problem{Code: "custom", Message: "A pull request already exists for " + repo.Owner + ":" + head + "."})
			return
		}
		rest.JSON(w, http.StatusCreated, d.pullJSON(now, made))
	})
}

// changePull changes a pull request and shows it.
func (d *Double) changePull(w http.ResponseWriter, repo repository, at int, effect string, status int, fn func(p *pull)) {
	now, err := d.change(repo, effect, repo.fullName()+"/"+repo.Pulls[at].Head, func(r *repository) { fn(&r.Pulls[at]) })
	done(w, err, func() { rest.JSON(w, status, d.pullJSON(now, now.Pulls[at])) })
}

func (d *Double) patchPull(w http.ResponseWriter, r *http.Request, repo repository, at int) {
	var body struct{ Title, Body, State, Base *string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	bad := func(field string) {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/pulls/pulls#update-a-pull-request", problem{Resource: "PullRequest", Code: "invalid", Field: field})
	}
	was := repo.Pulls[at]
	effect := "github.pull.updated"
	if body.State != nil {
		_, there := repo.Refs["refs/heads/"+was.Head]
		switch {
		case *body.State != "open" && *body.State != "closed", *body.State == "open" && (was.Merged || was.State == "closed" && !there):
			bad("state")
			return
		case *body.State == "closed":
			effect = "github.pull.closed"
		}
	}
	if body.Base != nil {
		if _, ok := repo.Refs["refs/heads/"+*body.Base]; !ok || was.State == "closed" {
			bad("base")
			return
		}
	}
	d.changePull(w, repo, at, effect, 200, func(p *pull) {
		for _, f := range []struct{ from, to *string }{{body.Title, &p.Title}, {body.Body, &p.Body}, {body.Base, &p.Base}, {body.State, &p.State}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if was.State == "open" && p.State == "closed" {
			p.SHA = repo.Refs["refs/heads/"+p.Head]
		}
	})
}

// mergePull merges what needs no merging of files: the base has not moved since the branch left it.
func (d *Double) mergePull(w http.ResponseWriter, r *http.Request, repo repository, at int) {
	defer d.lock(repo.ID)()
	p := repo.Pulls[at]
	ctx := context.WithoutCancel(r.Context())
	base, tip := repo.Refs["refs/heads/"+p.Base], repo.tip(p)
	_, err := d.git.run(ctx, repo.ID, "", "merge-base", "--is-ancestor", base, tip)
	if p.State != "open" || err != nil {
		refuse(w, http.StatusMethodNotAllowed, "Pull Request is not mergeable", "/pulls/pulls#merge-a-pull-request")
		return
	}
	sha, err := d.git.run(ctx, repo.ID, "", "commit-tree", "-m", "Merge pull request #"+strconv.FormatInt(p.Number, 10), "-p", base, "-p", tip, tip+"^{tree}")
	if err == nil {
		sha = strings.TrimSpace(sha)
		_, err = d.git.run(ctx, repo.ID, "", "update-ref", "refs/heads/"+p.Base, sha)
	}
	if err == nil {
		err = d.settle(ctx, repo)
	}
	if err == nil {
		_, err = d.change(repo, "github.pull.merged", repo.fullName()+"/"+p.Head, func(r *repository) {
			r.Pulls[at].State, r.Pulls[at].Merged, r.Pulls[at].SHA = "closed", true, tip
		})
	}
	done(w, err, func() {
		rest.JSON(w, 200, map[string]any{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
	})
}

func (d *Double) postReviewers(w http.ResponseWriter, r *http.Request, repo repository, at int) {
	var body struct {
		Reviewers []string
		Teams     []string `json:"team_reviewers"`
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	for _, login := range body.Reviewers {
		if o, ok := d.owner(login); !ok || o.Type != "User" {
			refuse(w, http.StatusUnprocessableEntity, "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the "+repo.fullName()+" repository.", "/pulls/review-requests")
			return
		}
	}
	for _, slug := range body.Teams {
		if _, ok := d.team(repo.Owner, slug); !ok {
			refuse(w, http.StatusUnprocessableEntity, "Could not resolve to a node with the global id of '"+slug+"'.", "/pulls/review-requests")
			return
		}
	}
	d.changePull(w, repo, at, "github.pull.reviewers", http.StatusCreated, func(p *pull) {
		p.Reviewers, p.Teams = union(p.Reviewers, body.Reviewers), union(p.Teams, body.Teams)
	})
}

func (d *Double) postAssignees(w http.ResponseWriter, r *http.Request, repo repository, at int) {
	var body struct{ Assignees []string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	var known []string
	for _, login := range body.Assignees {
		if o, ok := d.owner(login); ok && o.Type == "User" { // GitHub drops the others without a word
			known = append(known, o.Login)
		}
	}
	d.changePull(w, repo, at, "github.pull.assignees", http.StatusCreated, func(p *pull) { p.Assignees = union(p.Assignees, known) })
}

func union(have, more []string) []string {
	for _, one := range more {
		if !slices.Contains(have, one) {
			have = append(have, one)
		}
	}
	return have
}
