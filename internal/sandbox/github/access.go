package github

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

type variable struct {
	Name      string    `json:"name"`
	Value     string    `json:"value"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type secret struct {
	Name      string    `json:"name"`
	Sealed    string    `json:"sealed"` // as the client sent it; the double never opens it
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

var (
	permissions  = []string{"pull", "triage", "push", "maintain", "admin"}
	topicName    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
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
	o, _ := d.owner(actor)
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

func (d *Double) postVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/actions/variables#create-a-repository-variable"
	var body struct{ Name, Value string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	if !variableName.MatchString(body.Name) || strings.HasPrefix(strings.ToUpper(body.Name), "GITHUB_") {
		refuse(w, http.StatusUnprocessableEntity, "Variable name is invalid", anchor)
		return
	}
	name, taken := strings.ToUpper(body.Name), false
	_, err := d.change(repo, "github.variable.set", repo.fullName()+"/"+name, func(r *repository) {
		if _, taken = r.Variables[name]; !taken {
			now := time.Now().UTC()
			put(&r.Variables, name, variable{Name: name, Value: body.Value, CreatedAt: now, UpdatedAt: now})
		}
	})
	done(w, err, func() {
		if taken {
			refuse(w, http.StatusConflict, "Already exists - Variable already exists", anchor)
			return
		}
		rest.JSON(w, http.StatusCreated, map[string]any{})
	})
}

func (d *Double) patchVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	name := strings.ToUpper(r.PathValue("name"))
	if _, ok := repo.Variables[name]; !ok {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	var body struct{ Value *string }
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	_, err := d.change(repo, "github.variable.set", repo.fullName()+"/"+name, func(r *repository) {
		if v, ok := r.Variables[name]; ok && body.Value != nil && v.Value != *body.Value {
			v.Value, v.UpdatedAt = *body.Value, time.Now().UTC()
			r.Variables[name] = v
		}
	})
	done(w, err, func() { w.WriteHeader(http.StatusNoContent) })
}

func (d *Double) getVariable(w http.ResponseWriter, r *http.Request, repo repository) {
	v, ok := repo.Variables[strings.ToUpper(r.PathValue("name"))]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "")
		return
	}
	rest.JSON(w, 200, v)
}

func (d *Double) listVariables(w http.ResponseWriter, r *http.Request, repo repository) {
	all := []variable{}
	for _, name := range sorted(repo.Variables) {
		all = append(all, repo.Variables[name])
	}
	rest.JSON(w, 200, map[string]any{"total_count": len(all), "variables": page(d, w, r, all)})
}

func (d *Double) keyID() string {
	return strconv.FormatInt(number("key", string(d.key.PublicKey().Bytes())), 10)
}

func (d *Double) getSecretKey(w http.ResponseWriter, r *http.Request, repo repository) {
	rest.JSON(w, 200, map[string]string{
		"key_id": d.keyID(), "key": base64.StdEncoding.EncodeToString(d.key.PublicKey().Bytes()),
	})
}

func (d *Double) putSecret(w http.ResponseWriter, r *http.Request, repo repository) {
	const anchor = "/actions/secrets#create-or-update-a-repository-secret"
	var body struct {
		Sealed string `json:"encrypted_value"`
		KeyID  string `json:"key_id"`
	}
	if rest.Read(w, r, &body) != nil {
		unreadable(w)
		return
	}
	name := strings.ToUpper(r.PathValue("name"))
	sealed, err := base64.StdEncoding.DecodeString(body.Sealed)
	// A sealed box is 32 bytes of key and 16 of checksum longer than what is in it.
	if err != nil || len(sealed) < 48 || body.KeyID != d.keyID() || !variableName.MatchString(name) || strings.HasPrefix(name, "GITHUB_") {
		refuse(w, http.StatusUnprocessableEntity, "Bad request - the key_id, the name or the encrypted_value is not valid", anchor)
		return
	}
	existed := false
	_, err = d.change(repo, "github.secret.set", repo.fullName()+"/"+name, func(r *repository) {
		now := time.Now().UTC()
		s := secret{Name: name, Sealed: body.Sealed, CreatedAt: now, UpdatedAt: now}
		var old secret
		if old, existed = r.Secrets[name]; existed {
			s.CreatedAt = old.CreatedAt
		}
		put(&r.Secrets, name, s)
	})
	done(w, err, func() {
		if existed {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		rest.JSON(w, http.StatusCreated, map[string]any{})
	})
}

func (d *Double) listSecrets(w http.ResponseWriter, r *http.Request, repo repository) {
	all := []any{}
	for _, name := range sorted(repo.Secrets) {
		s := repo.Secrets[name]
		all = append(all, map[string]any{"name": s.Name, "created_at": stamp(s.CreatedAt), "updated_at": stamp(s.UpdatedAt)})
	}
	rest.JSON(w, 200, map[string]any{"total_count": len(all), "secrets": page(d, w, r, all)})
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
