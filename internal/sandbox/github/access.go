package github

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

var (
	permissions = []string{"pull", "triage", "push", "maintain", "admin"}
	topicName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)
)

func (d *Double) owner(login string) (Owner, bool) {
	var o Owner
	var ok bool
	d.Ledger.View(func(tx *ledger.Tx) { o, ok = ledger.Get[Owner](tx, ownersBucket, strings.ToLower(login)) })
	return o, ok
}

func (d *Double) ownerJSON(o Owner) map[string]any {
	id := number("owner", o.Login)
	return map[string]any{
		"login": o.Login, "id": id, "node_id": nodeID(o.Type[:1], id), "type": o.Type, "site_admin": false,
		"avatar_url": d.URL + "/" + o.Login + ".png", "gravatar_id": "", "url": d.URL + "/users/" + o.Login,
		"html_url": d.URL + "/" + o.Login, "repos_url": d.URL + "/users/" + o.Login + "/repos",
	}
}

func (d *Double) accountJSON(o Owner) map[string]any {
	v := d.ownerJSON(o)
	v["name"], v["public_repos"], v["followers"], v["following"] = o.Name, 0, 0, 0
	v["created_at"], v["updated_at"] = "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
	return v
}

func (d *Double) getUser(w http.ResponseWriter, r *http.Request) {
	o, _ := d.owner(d.account(r))
	rest.JSON(w, 200, d.accountJSON(o))
}

func (d *Double) getOwner(w http.ResponseWriter, r *http.Request) {
	o, ok := d.owner(r.PathValue("owner"))
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "/users/users#get-a-user")
		return
	}
	rest.JSON(w, 200, d.accountJSON(o))
}

func (d *Double) getOrg(w http.ResponseWriter, r *http.Request) {
	o, ok := d.owner(r.PathValue("owner"))
	if !ok || o.Type != "Organization" {
		refuse(w, http.StatusNotFound, "Not Found", "/orgs/orgs#get-an-organization")
		return
	}
	v := d.accountJSON(o)
	v["url"], v["repos_url"] = d.URL+"/orgs/"+o.Login, d.URL+"/orgs/"+o.Login+"/repos"
	v["description"] = ""
	rest.JSON(w, 200, v)
}

func (d *Double) team(org, slug string) (Team, bool) {
	var t Team
	var ok bool
	d.Ledger.View(func(tx *ledger.Tx) { t, ok = ledger.Get[Team](tx, teamsBucket, strings.ToLower(org+"/"+slug)) })
	return t, ok
}

func (d *Double) teamJSON(t Team) map[string]any {
	id := number("team", t.Org+"/"+t.Slug)
	return map[string]any{
		"id": id, "node_id": nodeID("T", id), "name": t.Name, "slug": t.Slug, "description": "", "privacy": "closed",
		"permission": "pull", "parent": nil, "url": d.URL + "/orgs/" + t.Org + "/teams/" + t.Slug,
		"html_url": d.URL + "/orgs/" + t.Org + "/teams/" + t.Slug, "notification_setting": "notifications_enabled",
		"members_url":      d.URL + "/orgs/" + t.Org + "/teams/" + t.Slug + "/members{/member}",
		"repositories_url": d.URL + "/orgs/" + t.Org + "/teams/" + t.Slug + "/repos",
	}
}

func (d *Double) listTeams(w http.ResponseWriter, r *http.Request) {
	var teams []Team
	d.Ledger.View(func(tx *ledger.Tx) {
		teams = ledger.All[Team](tx, teamsBucket, strings.ToLower(r.PathValue("owner"))+"/")
	})
	answer := []any{}
	for _, t := range page(d, w, r, teams) {
		answer = append(answer, d.teamJSON(t))
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) getTeam(w http.ResponseWriter, r *http.Request) {
	t, ok := d.team(r.PathValue("owner"), r.PathValue("team"))
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "/teams/teams#get-a-team-by-name")
		return
	}
	rest.JSON(w, 200, d.teamJSON(t))
}

// permission reads {"permission": …}; the two old names of the API are taken as well.
func permission(w http.ResponseWriter, r *http.Request) (string, bool) {
	body := struct{ Permission string }{Permission: "push"}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return "", false
	}
	switch body.Permission {
	case "read":
		body.Permission = "pull"
	case "write":
		body.Permission = "push"
	}
	if !slices.Contains(permissions, body.Permission) {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "",
			problem{Resource: "Repository", Code: "invalid", Field: "permission", Message: "permission is invalid"})
		return "", false
	}
	return body.Permission, true
}

func (d *Double) putTeamRepo(w http.ResponseWriter, r *http.Request) {
	team, known := d.team(r.PathValue("owner"), r.PathValue("team"))
	repo, found := d.find(r.PathValue("repoOwner"), r.PathValue("repo"))
	if !known || !found {
		refuse(w, http.StatusNotFound, "Not Found", "/teams/teams#add-or-update-team-repository-permissions")
		return
	}
	p, ok := permission(w, r)
	if !ok {
		return
	}
	_, err := d.change(repo, "github.team.granted", repo.fullName()+"/"+team.Slug, func(r *repository) { put(&r.Teams, team.Slug, p) })
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) deleteTeamRepo(w http.ResponseWriter, r *http.Request) {
	repo, found := d.find(r.PathValue("repoOwner"), r.PathValue("repo"))
	if !found {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	slug := strings.ToLower(r.PathValue("team"))
	_, err := d.change(repo, "github.team.revoked", repo.fullName()+"/"+slug, func(r *repository) { delete(r.Teams, slug) })
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) listRepoTeams(w http.ResponseWriter, r *http.Request, repo repository) {
	answer := []any{}
	for _, slug := range sorted(repo.Teams) {
		if t, ok := d.team(repo.Owner, slug); ok {
			v := d.teamJSON(t)
			v["permission"] = repo.Teams[slug]
			answer = append(answer, v)
		}
	}
	rest.JSON(w, 200, page(d, w, r, answer))
}

func (d *Double) putCollaborator(w http.ResponseWriter, r *http.Request, repo repository) {
	user, known := d.owner(r.PathValue("user"))
	if !known || user.Type != "User" {
		refuse(w, http.StatusNotFound, "Not Found", "/collaborators/collaborators#add-a-repository-collaborator")
		return
	}
	p, ok := permission(w, r)
	if !ok {
		return
	}
	_, err := d.change(repo, "github.collaborator.granted", repo.fullName()+"/"+user.Login, func(r *repository) { put(&r.Collaborators, user.Login, p) })
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

// listCollaborators lists who was given access by name; what teams and the organization give is not in it.
func (d *Double) listCollaborators(w http.ResponseWriter, r *http.Request, repo repository) {
	answer := []any{}
	for _, login := range sorted(repo.Collaborators) {
		if o, ok := d.owner(login); ok {
			v := d.ownerJSON(o)
			at := slices.Index(permissions, repo.Collaborators[login])
			may := map[string]bool{}
			for i, p := range permissions {
				may[p] = i <= at
			}
			v["permissions"], v["role_name"] = may, map[string]string{"pull": "read", "push": "write"}[permissions[at]]
			if v["role_name"] == "" {
				v["role_name"] = permissions[at]
			}
			answer = append(answer, v)
		}
	}
	rest.JSON(w, 200, page(d, w, r, answer))
}

func (d *Double) deleteCollaborator(w http.ResponseWriter, r *http.Request, repo repository) {
	login := r.PathValue("user")
	if o, ok := d.owner(login); ok {
		login = o.Login
	}
	_, err := d.change(repo, "github.collaborator.revoked", repo.fullName()+"/"+login, func(r *repository) { delete(r.Collaborators, login) })
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) getTopics(w http.ResponseWriter, r *http.Request, repo repository) {
	rest.JSON(w, 200, map[string]any{"names": append([]string{}, repo.Topics...)})
}

func (d *Double) putTopics(w http.ResponseWriter, r *http.Request, repo repository) {
	var body struct{ Names []string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	for _, name := range body.Names {
		if !topicName.MatchString(name) || len(body.Names) > 20 {
			refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/repos/repos#replace-all-repository-topics", problem{Resource: "Repository", Code: "invalid", Field: "topics",
				Message: "Topics must start with a lowercase letter or number, consist of 50 characters or less, and can include hyphens."})
			return
		}
	}
	now, err := d.change(repo, "github.topics.set", repo.fullName(), func(r *repository) { r.Topics = body.Names })
	done(w, err, func() { d.getTopics(w, r, now) })
}

func (d *Double) getProperties(w http.ResponseWriter, r *http.Request, repo repository) {
	answer := []any{}
	for _, name := range sorted(repo.CustomProperties) {
		answer = append(answer, map[string]any{"property_name": name, "value": repo.CustomProperties[name]})
	}
	rest.JSON(w, 200, answer)
}

func (d *Double) patchProperties(w http.ResponseWriter, r *http.Request, repo repository) {
	var body struct {
		Properties []struct {
			Name  string `json:"property_name"`
			Value any    `json:"value"`
		} `json:"properties"`
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	for _, p := range body.Properties {
		if wrong := repo.setProperty(p.Name, p.Value); wrong != nil {
			refuse(w, http.StatusUnprocessableEntity, "Validation Failed", "/repos/custom-properties", *wrong)
			return
		}
	}
	_, err := d.change(repo, "github.properties.set", repo.fullName(), func(r *repository) {
		for _, p := range body.Properties {
			r.setProperty(p.Name, p.Value)
		}
	})
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
