package github

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

// protection is a branch's protection as it was asked for.
type protection struct {
	Checks        *statusChecks   `json:"required_status_checks"`
	EnforceAdmins bool            `json:"enforce_admins"`
	Reviews       map[string]any  `json:"required_pull_request_reviews"`
	Restrictions  map[string]any  `json:"restrictions"`
	Switches      map[string]bool `json:"switches"`
	Signatures    bool            `json:"required_signatures"`
}

type statusChecks struct {
	Strict   bool     `json:"strict"`
	Contexts []string `json:"contexts"` // given as contexts or as checks
}

// switches are the settings that GitHub shows as {"enabled": …}.
var switches = []string{
	"required_linear_history", "allow_force_pushes", "allow_deletions", "block_creations",
	"required_conversation_resolution", "lock_branch", "allow_fork_syncing",
}

// closedRefs are the refs that nobody may push to: changes must come through a pull request.
func (r repository) closedRefs() []string {
	var refs []string
	for _, branch := range sorted(r.Protection) {
		if p := r.Protection[branch]; p.EnforceAdmins && p.Reviews != nil || p.Switches["lock_branch"] {
			refs = append(refs, "refs/heads/"+branch)
		}
	}
	return refs
}

func (d *Double) branchNames(repo repository) []string {
	var names []string
	for _, ref := range sorted(repo.Refs) {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			names = append(names, name)
		}
	}
	return names
}

func (d *Double) branchJSON(repo repository, name string) map[string]any {
	api := d.URL + "/repos/" + repo.fullName()
	sha := repo.Refs["refs/heads/"+name]
	_, protected := repo.Protection[name]
	return map[string]any{
		"name": name, "protected": protected, "protection_url": api + "/branches/" + name + "/protection",
		"commit": map[string]string{"sha": sha, "url": api + "/commits/" + sha},
	}
}

func (d *Double) listBranches(w http.ResponseWriter, r *http.Request, repo repository) {
	answer := []any{}
	for _, name := range page(d, w, r, d.branchNames(repo)) {
		answer = append(answer, d.branchJSON(repo, name))
	}
	rest.JSON(w, 200, answer)
}

// branch answers 404 itself when there is none.
func (d *Double) branch(w http.ResponseWriter, r *http.Request, repo repository) (string, bool) {
	name := r.PathValue("branch")
	if _, ok := repo.Refs["refs/heads/"+name]; !ok {
		refuse(w, http.StatusNotFound, "Branch not found", "/branches/branches#get-a-branch")
		return "", false
	}
	return name, true
}

func (d *Double) getBranch(w http.ResponseWriter, r *http.Request, repo repository) {
	name, ok := d.branch(w, r, repo)
	if !ok {
		return
	}
	v := d.branchJSON(repo, name)
	commit, err := d.commitJSON(r.Context(), repo, repo.Refs["refs/heads/"+name])
	if err != nil {
		failed(w, err)
		return
	}
	api := d.URL + "/repos/" + repo.fullName() + "/branches/" + name
	v["commit"] = commit
	v["_links"] = map[string]string{"html": d.URL + "/" + repo.fullName() + "/tree/" + name, "self": api}
	v["protection"] = map[string]any{
		"enabled":                v["protected"],
		"required_status_checks": map[string]any{"enforcement_level": "off", "contexts": []string{}, "checks": []string{}},
	}
	rest.JSON(w, 200, v)
}

func (d *Double) getProtection(w http.ResponseWriter, r *http.Request, repo repository) {
	name, ok := d.branch(w, r, repo)
	if !ok {
		return
	}
	p, ok := repo.Protection[name]
	if !ok {
		refuse(w, http.StatusNotFound, "Branch not protected", "/branches/branch-protection#get-branch-protection")
		return
	}
	rest.JSON(w, 200, d.protectionJSON(repo, name, p))
}

func (d *Double) putProtection(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/branches/branch-protection#update-branch-protection"
	name, ok := d.branch(w, r, repo)
	if !ok {
		return
	}
	var body map[string]any
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	var missing []string
	for _, key := range []string{"required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions"} {
		if _, given := body[key]; !given {
			missing = append(missing, `"`+key+`" wasn't supplied.`)
		}
	}
	if len(missing) > 0 {
		refuse(w, http.StatusUnprocessableEntity, "Invalid request.\n\n"+strings.Join(missing, "\n"), anchor)
		return
	}
	p, ok := readProtection(body)
	if ok && repo.OwnerType != "Organization" && (p.Restrictions != nil || p.Reviews["bypass_pull_request_allowances"] != nil) {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed", anchor, problem{Resource: "Branch", Code: "custom",
			Message: "Only organization repositories can have users and team restrictions"})
		return
	}
	if !ok {
		refuse(w, http.StatusUnprocessableEntity, "Invalid request.\n\nNo subschema in \"anyOf\" matched.", anchor)
		return
	}
	now, err := d.change(repo, "github.protection.set", repo.fullName()+"/"+name, func(r *repository) {
		p.Signatures = r.Protection[name].Signatures // has a switch of its own
		put(&r.Protection, name, p)
	})
	done(w, err, func() { rest.JSON(w, 200, d.protectionJSON(now, name, p)) })
}

func readProtection(body map[string]any) (protection, bool) {
	p := protection{Switches: map[string]bool{}}
	if raw := body["required_status_checks"]; raw != nil {
		checks, ok := raw.(map[string]any)
		strict, isBool := checks["strict"].(bool)
		if !ok || !isBool {
			return p, false
		}
		p.Checks = &statusChecks{Strict: strict, Contexts: []string{}}
		contexts, _ := checks["contexts"].([]any)
		for _, c := range contexts {
			s, ok := c.(string)
			if !ok {
				return p, false
			}
			p.Checks.Contexts = append(p.Checks.Contexts, s)
		}
		list, _ := checks["checks"].([]any)
		for _, c := range list {
			check, _ := c.(map[string]any)
			s, ok := check["context"].(string)
			if !ok {
				return p, false
			}
			p.Checks.Contexts = append(p.Checks.Contexts, s)
		}
	}
	fits := func(key string, to *map[string]any) bool {
		v, ok := body[key].(map[string]any)
		*to = v
		return ok || body[key] == nil
	}
	enforce, ok := body["enforce_admins"].(bool)
	if !ok && body["enforce_admins"] != nil || !fits("required_pull_request_reviews", &p.Reviews) || !fits("restrictions", &p.Restrictions) {
		return p, false
	}
	bypass, given := p.Reviews["bypass_pull_request_allowances"]
	if given && !whom(bypass) || p.Restrictions != nil && !whom(p.Restrictions, "users", "teams") {
		return p, false
	}
	if count, given := p.Reviews["required_approving_review_count"]; given {
		if n, ok := count.(float64); !ok || n < 0 || n > 6 || n != float64(int(n)) {
			return p, false
		}
	}
	p.EnforceAdmins = enforce
	for _, name := range switches {
		p.Switches[name], _ = body[name].(bool)
	}
	return p, true
}

// whom reports whether v lists users, teams and apps by name, those that are needed among them.
func whom(v any, needed ...string) bool {
	named, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for _, key := range needed {
		if _, ok := named[key].([]any); !ok {
			return false
		}
	}
	for key, list := range named {
		names, ok := list.([]any)
		if !ok || !slices.Contains([]string{"users", "teams", "apps"}, key) {
			return false
		}
		for _, name := range names {
			if _, ok := name.(string); !ok {
				return false
			}
		}
	}
	return true
}

// listed shows users, teams and apps that were given by name.
func (d *Double) listed(org string, given any) map[string]any {
	named, _ := given.(map[string]any)
	users, teams, apps := []any{}, []any{}, []any{}
	each := func(key string, add func(name string)) {
		names, _ := named[key].([]any)
		for _, name := range names {
			if name, ok := name.(string); ok {
				add(name)
			}
		}
	}
	each("users", func(name string) {
		if o, ok := d.owner(name); ok {
			users = append(users, d.ownerJSON(o))
		}
	})
	each("teams", func(name string) {
		if t, ok := d.team(org, name); ok {
			teams = append(teams, d.teamJSON(t))
		}
	})
	each("apps", func(name string) {
		apps = append(apps, map[string]any{"id": number("app", name), "slug": name, "name": name})
	})
	return map[string]any{"users": users, "teams": teams, "apps": apps}
}

func (d *Double) getSignatures(w http.ResponseWriter, r *http.Request, repo repository) {
	name := r.PathValue("branch")
	p, ok := repo.Protection[name]
	if !ok {
		refuse(w, http.StatusNotFound, "Branch not protected", "/branches/branch-protection#get-commit-signature-protection")
		return
	}
	rest.JSON(w, 200, d.protectionJSON(repo, name, p)["required_signatures"])
}

func (d *Double) setSignatures(wanted bool) repoHandler {
	return func(w http.ResponseWriter, r *http.Request, repo repository) {
		name := r.PathValue("branch")
		if _, ok := repo.Protection[name]; !ok {
			refuse(w, http.StatusNotFound, "Branch not protected", "/branches/branch-protection#create-commit-signature-protection")
			return
		}
		now, err := d.change(repo, "github.signatures.set", repo.fullName()+"/"+name, func(r *repository) {
			p := r.Protection[name]
			p.Signatures = wanted
			r.Protection[name] = p
		})
		done(w, err, func() {
			if !wanted {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			d.getSignatures(w, r, now)
		})
	}
}

func (d *Double) deleteProtection(w http.ResponseWriter, r *http.Request, repo repository) {
	name := r.PathValue("branch")
	if _, ok := repo.Protection[name]; !ok {
		refuse(w, http.StatusNotFound, "Branch not protected", "/branches/branch-protection#delete-branch-protection")
		return
	}
	_, err := d.change(repo, "github.protection.removed", repo.fullName()+"/"+name, func(r *repository) { delete(r.Protection, name) })
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) protectionJSON(repo repository, branch string, p protection) map[string]any {
	api := d.URL + "/repos/" + repo.fullName() + "/branches/" + branch + "/protection"
	v := map[string]any{
		"url":                 api,
		"enforce_admins":      map[string]any{"url": api + "/enforce_admins", "enabled": p.EnforceAdmins},
		"required_signatures": map[string]any{"url": api + "/required_signatures", "enabled": p.Signatures},
	}
	for _, name := range switches {
		v[name] = map[string]bool{"enabled": p.Switches[name]}
	}
	if p.Checks != nil {
		checks := []any{}
		for _, c := range p.Checks.Contexts {
			checks = append(checks, map[string]any{"context": c, "app_id": nil})
		}
		v["required_status_checks"] = map[string]any{
			"url": api + "/required_status_checks", "strict": p.Checks.Strict, "contexts": p.Checks.Contexts,
			"contexts_url": api + "/required_status_checks/contexts", "checks": checks,
		}
	}
	if p.Reviews != nil {
		reviews := map[string]any{
			"url": api + "/required_pull_request_reviews", "dismiss_stale_reviews": false, "require_code_owner_reviews": false,
			"required_approving_review_count": 1, "require_last_push_approval": false,
		}
		for name := range reviews {
			if given, ok := p.Reviews[name]; ok {
				reviews[name] = given
			}
		}
		if given, ok := p.Reviews["bypass_pull_request_allowances"]; ok {
			reviews["bypass_pull_request_allowances"] = d.listed(repo.Owner, given)
		}
		v["required_pull_request_reviews"] = reviews
	}
	if p.Restrictions != nil {
		restrictions := d.listed(repo.Owner, p.Restrictions)
		restrictions["url"] = api + "/restrictions"
		for _, of := range []string{"users", "teams", "apps"} {
			restrictions[of+"_url"] = api + "/restrictions/" + of
		}
		v["restrictions"] = restrictions
	}
	return v
}
