package github

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// repository is all that the double knows about one, but its git objects.
type repository struct {
	ID               int64                   `json:"id"`
	Owner            string                  `json:"owner"`
	OwnerType        string                  `json:"ownerType"`
	Name             string                  `json:"name"`
	Description      *string                 `json:"description"`
	Homepage         *string                 `json:"homepage"`
	Visibility       string                  `json:"visibility"`
	DefaultBranch    string                  `json:"defaultBranch"`
	Archived         bool                    `json:"archived"`
	Settings         map[string]any          `json:"settings"` // allow_*, has_* and the like, under GitHub's names
	Topics           []string                `json:"topics"`
	CustomProperties map[string]any          `json:"customProperties"`
	Protection       map[string]protection   `json:"protection"`
	Teams            map[string]string       `json:"teams"`         // slug → permission
	Collaborators    map[string]string       `json:"collaborators"` // login → permission
	Variables        map[string]variable     `json:"variables"`
	Secrets          map[string]secret       `json:"secrets"`
	Subject          *subject                `json:"subject"`       // nil: GitHub's own
	Subscriptions    map[string]subscription `json:"subscriptions"` // by login
	Pulls            []pull                  `json:"pulls"`
	Refs             map[string]string       `json:"refs"` // as of the last counted push
	CreatedAt        time.Time               `json:"createdAt"`
	UpdatedAt        time.Time               `json:"updatedAt"`
	PushedAt         time.Time               `json:"pushedAt"`
}

func (r repository) private() bool    { return r.Visibility != "public" }
func (r repository) fullName() string { return r.Owner + "/" + r.Name }
func (r repository) key() string      { return repoKey(r.Owner, r.Name) }

var (
	validName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	visibility = []string{"public", "private", "internal"}
	properties = regexp.MustCompile(`^[A-Za-z0-9_$#-]{1,75}$`)
)

// defaults are the settings of a repository that was created without any.
func defaults() map[string]any {
	return map[string]any{
		"allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": true,
		"allow_auto_merge": false, "allow_update_branch": false, "delete_branch_on_merge": false,
		"has_issues": true, "has_projects": true, "has_wiki": true, "has_downloads": true, "has_discussions": false,
		"is_template": false, "web_commit_signoff_required": false,
		"squash_merge_commit_title": "COMMIT_OR_PR_TITLE", "squash_merge_commit_message": "COMMIT_MESSAGES",
		"merge_commit_title": "MERGE_MESSAGE", "merge_commit_message": "PR_TITLE",
	}
}

// oneOf are the settings of which GitHub knows a few values only.
var oneOf = map[string][]string{
	"squash_merge_commit_title":   {"PR_TITLE", "COMMIT_OR_PR_TITLE"},
	"squash_merge_commit_message": {"PR_BODY", "COMMIT_MESSAGES", "BLANK"},
	"merge_commit_title":          {"PR_TITLE", "MERGE_MESSAGE"},
	"merge_commit_message":        {"PR_BODY", "PR_TITLE", "BLANK"},
}

// errGone stops a change to a repository that was deleted meanwhile.
var errGone = errors.New("repository is gone")

// change applies fn to the stored repository and counts the effect if that made a difference.
func (d *Double) change(repo repository, effect, resource string, fn func(*repository)) (repository, error) {
	var now repository
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		before, ok := ledger.Get[repository](tx, reposBucket, repo.key())
		if !ok || before.ID != repo.ID {
			return errGone
		}
		now, _ = ledger.Get[repository](tx, reposBucket, repo.key())
		fn(&now)
		if same(before, now) {
			return nil
		}
		now.UpdatedAt = time.Now().UTC()
		tx.Put(reposBucket, repo.key(), now)
		tx.Effect(effect, resource)
		return nil
	})
	return now, err
}

// same compares as stored, so that a number is a number and nil is empty.
func same(a, b any) bool {
	var x, y any
	ja, _ := json.Marshal(a)
	jb, _ := json.Marshal(b)
	return json.Unmarshal(ja, &x) == nil && json.Unmarshal(jb, &y) == nil && reflect.DeepEqual(x, y)
}

// done answers after a change.
func done(w http.ResponseWriter, err error, answer func()) {
	switch {
	case errors.Is(err, errGone):
		refuse(w, http.StatusNotFound, "Not Found", "")
	case err != nil:
		failed(w, err)
	default:
		answer()
	}
}

func (d *Double) createOrgRepo(w http.ResponseWriter, r *http.Request) {
	d.create(w, r, r.PathValue("owner"), "Organization")
}

func (d *Double) createUserRepo(w http.ResponseWriter, r *http.Request) {
	d.create(w, r, d.account(r), "User")
}

func (d *Double) create(w http.ResponseWriter, r *http.Request, login, kind string) {
	const anchor = "/repos/repos#create-an-organization-repository"
	owner, ok := d.owner(login)
	if !ok || owner.Type != kind {
		refuse(w, http.StatusNotFound, "Not Found", anchor)
		return
	}
	var body map[string]any
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	repo := repository{
		Owner: owner.Login, OwnerType: owner.Type, DefaultBranch: "main", Visibility: "public", Settings: defaults(),
		CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
	repo.UpdatedAt, repo.PushedAt = repo.CreatedAt, repo.CreatedAt
	if problems := repo.set(body, true); len(problems) > 0 {
		refuse(w, http.StatusUnprocessableEntity, "Repository creation failed.", anchor, problems...)
		return
	}
	taken := func() {
		refuse(w, http.StatusUnprocessableEntity, "Repository creation failed.", anchor,
			problem{Resource: "Repository", Code: "custom", Field: "name", Message: "name already exists on this account"})
	}
	if _, exists := d.find(repo.Owner, repo.Name); exists {
		taken()
		return
	}
	err := d.Ledger.Update(func(tx *ledger.Tx) error { repo.ID = 700_000_000 + tx.Next(idsBucket, "repository"); return nil })
	if err == nil {
		err = d.git.create(r.Context(), repo.ID, repo.DefaultBranch)
	}
	if auto, _ := body["auto_init"].(bool); auto && err == nil {
		if err = d.git.firstCommit(r.Context(), repo.ID, repo.DefaultBranch, "# "+repo.Name+"\n"); err == nil {
			repo.Refs, err = d.git.refs(r.Context(), repo.ID)
		}
	}
	if err != nil {
		failed(w, err)
		return
	}
	lost := false
	err = d.Ledger.Update(func(tx *ledger.Tx) error {
		if _, lost = ledger.Get[repository](tx, reposBucket, repo.key()); lost {
			return nil
		}
		tx.Put(reposBucket, repo.key(), repo)
		tx.Effect("github.repo.created", repo.fullName())
		return nil
	})
	switch {
	case lost:
		_ = d.git.remove(repo.ID)
		taken()
	case err != nil:
		failed(w, err)
	default:
		w.Header().Set("Location", d.URL+"/repos/"+repo.fullName())
		rest.JSON(w, http.StatusCreated, d.repoJSON(repo))
	}
}

// set takes over the fields of a create or update body and says what is wrong with them.
func (r *repository) set(body map[string]any, creating bool) []problem {
	var wrong []problem
	bad := func(field, message string) {
		wrong = append(wrong, problem{Resource: "Repository", Code: "custom", Field: field, Message: message})
	}
	if name, given := body["name"]; given || creating {
		s, _ := name.(string)
		switch {
		case s == "":
			wrong = append(wrong, problem{Resource: "Repository", Code: "missing_field", Field: "name"})
		case !validName.MatchString(s), s == ".", s == "..", strings.HasSuffix(s, ".git"):
			bad("name", "name is invalid")
		default:
			r.Name = s
		}
	}
	if v, given := body["private"].(bool); given {
		r.Visibility = map[bool]string{true: "private", false: "public"}[v]
	}
	if v, given := body["visibility"]; given && v != nil {
		s, _ := v.(string)
		if !slices.Contains(visibility, s) {
			bad("visibility", "visibility is invalid")
		} else {
			r.Visibility = s
		}
	}
	text := func(field string, to **string) {
		if v, given := body[field]; given {
			if s, ok := v.(string); ok {
				*to = &s
			} else if v == nil {
				*to = nil
			} else {
				bad(field, field+" is not a string")
			}
		}
	}
	text("description", &r.Description)
	text("homepage", &r.Homepage)
	if v, ok := body["archived"].(bool); ok {
		r.Archived = v
	}
	for name, old := range r.Settings {
		if v, given := body[name]; given && v != nil {
			text, _ := v.(string)
			if reflect.TypeOf(v) != reflect.TypeOf(old) || oneOf[name] != nil && !slices.Contains(oneOf[name], text) {
				bad(name, name+" is invalid")
				continue
			}
			r.Settings[name] = v
		}
	}
	if given := body["custom_properties"]; given != nil && creating {
		v, ok := given.(map[string]any)
		if !ok {
			bad("custom_properties", "custom_properties is not an object")
		}
		for name, value := range v {
			if p := r.setProperty(name, value); p != nil {
				wrong = append(wrong, *p)
			}
		}
	}
	return wrong
}

// setProperty sets a custom property. Unlike GitHub the double takes names that no organization schema defines.
func (r *repository) setProperty(name string, value any) *problem {
	if !properties.MatchString(name) {
		return &problem{Resource: "Repository", Code: "invalid", Field: "custom_properties", Message: "property name is invalid: " + name}
	}
	if r.CustomProperties == nil {
		r.CustomProperties = map[string]any{}
	}
	fits := func(v any) bool {
		s, ok := v.(string)
		return ok && len(s) <= 75
	}
	switch v := value.(type) {
	case nil:
		delete(r.CustomProperties, name)
		return nil
	case []any:
		if !slices.ContainsFunc(v, func(item any) bool { return !fits(item) }) {
			r.CustomProperties[name] = v
			return nil
		}
	default:
		if fits(v) {
			r.CustomProperties[name] = v
			return nil
		}
	}
	return &problem{Resource: "Repository", Code: "invalid", Field: "custom_properties",
		Message: "property value must be a string of up to 75 characters or a list of such"}
}

func (d *Double) getRepo(w http.ResponseWriter, r *http.Request, repo repository) {
	rest.JSON(w, 200, d.repoJSON(repo))
}

func (d *Double) patchRepo(w http.ResponseWriter, r *http.Request, repo repository) {
	var body map[string]any
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	delete(body, "name") // renaming isn't part of the double
	if problems := repo.set(body, false); len(problems) > 0 {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/repos/repos#update-a-repository", problems...)
		return
	}
	if branch, _ := body["default_branch"].(string); branch != "" {
		if _, ok := repo.Refs["refs/heads/"+branch]; !ok {
			refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/repos/repos#update-a-repository",
				problem{Resource: "Repository", Code: "invalid", Field: "default_branch",
					Message: "The branch " + branch + " was not found. Please push that ref first or create it via the Git Data API."})
			return
		}
		if err := d.git.setHead(r.Context(), repo.ID, branch); err != nil {
			failed(w, err)
			return
		}
	}
	now, err := d.change(repo, "github.repo.updated", repo.fullName(), func(stored *repository) {
		stored.set(body, false)
		if branch, _ := body["default_branch"].(string); branch != "" {
			stored.DefaultBranch = branch
		}
	})
	done(w, err, func() { rest.JSON(w, 200, d.repoJSON(now)) })
}

func (d *Double) deleteRepo(w http.ResponseWriter, r *http.Request, repo repository) {
	defer d.lock(repo.ID)()
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		stored, ok := ledger.Get[repository](tx, reposBucket, repo.key())
		if !ok || stored.ID != repo.ID {
			return errGone
		}
		tx.Delete(reposBucket, repo.key())
		tx.Effect("github.repo.deleted", repo.fullName())
		return nil
	})
	done(w, err, func() {
		_ = d.git.remove(repo.ID) // what stays behind is swept at the next start
		w.WriteHeader(http.StatusNoContent)
	})
}

func (d *Double) listRepos(w http.ResponseWriter, r *http.Request) {
	owner, ok := d.owner(r.PathValue("owner"))
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	var repos []repository
	d.Ledger.View(func(tx *ledger.Tx) {
		repos = ledger.All[repository](tx, reposBucket, strings.ToLower(owner.Login)+"/")
	})
	if d.access(r) != member {
		repos = slices.DeleteFunc(repos, repository.private)
	}
	slices.Reverse(repos) // newest first
	answer := []any{}
	for _, repo := range page(d, w, r, repos) {
		answer = append(answer, d.repoJSON(repo))
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) listMyRepos(w http.ResponseWriter, r *http.Request) {
	var repos []repository
	d.Ledger.View(func(tx *ledger.Tx) { repos = ledger.All[repository](tx, reposBucket, "") })
	answer := []any{}
	for _, repo := range page(d, w, r, repos) {
		answer = append(answer, d.repoJSON(repo))
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) listMyOrgs(w http.ResponseWriter, r *http.Request) {
	var owners []Owner
	d.Ledger.View(func(tx *ledger.Tx) { owners = ledger.All[Owner](tx, ownersBucket, "") })
	owners = slices.DeleteFunc(owners, func(o Owner) bool { return o.Type != "Organization" })
	answer := []any{}
	for _, o := range page(d, w, r, owners) {
		answer = append(answer, d.ownerJSON(o))
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) repoJSON(r repository) map[string]any {
	api, html := d.URL+"/repos/"+r.fullName(), d.URL+"/"+r.fullName()
	topics := append([]string{}, r.Topics...)
	custom := r.CustomProperties
	if custom == nil {
		custom = map[string]any{}
	}
	host := strings.TrimPrefix(strings.TrimPrefix(d.URL, "http://"), "https://")
	v := map[string]any{
		"id": r.ID, "node_id": nodeID("R", r.ID), "name": r.Name, "full_name": r.fullName(), "private": r.private(),
		"owner": d.ownerJSON(Owner{Login: r.Owner, Type: r.OwnerType}), "html_url": html, "url": api,
		"description": r.Description, "homepage": r.Homepage, "fork": false, "visibility": r.Visibility,
		"default_branch": r.DefaultBranch, "archived": r.Archived, "disabled": false, "topics": topics,
		"custom_properties": custom, "clone_url": html + ".git", "git_url": "git://" + host + "/" + r.fullName() + ".git",
		"ssh_url": "git@" + host + ":" + r.fullName() + ".git", "svn_url": html, "mirror_url": nil, "language": nil, "license": nil,
		"forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
		"open_issues": 0, "open_issues_count": 0, "size": 0, "has_pages": false,
		"created_at": stamp(r.CreatedAt), "updated_at": stamp(r.UpdatedAt), "pushed_at": stamp(r.PushedAt),
		"archive_url": api + "/{archive_format}{/ref}", "contents_url": api + "/contents/{+path}",
		"branches_url": api + "/branches{/branch}", "commits_url": api + "/commits{/sha}", "trees_url": api + "/git/trees{/sha}",
		"collaborators_url": api + "/collaborators{/collaborator}", "teams_url": api + "/teams",
		"permissions": map[string]bool{"admin": true, "maintain": true, "push": true, "triage": true, "pull": true},
	}
	for name, setting := range r.Settings {
		v[name] = setting
	}
	return v
}

func nodeID(kind string, id int64) string { return kind + "_kgDO" + strconv.FormatInt(id, 36) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
