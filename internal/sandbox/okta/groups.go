package okta

import (
	"net/http"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

type groupAnswer struct {
	Group
	Links map[string]any `json:"_links"`
}

func (d *Double) showGroup(g Group) groupAnswer {
	api := d.URL + "/api/v1/groups/" + g.ID
	return groupAnswer{g, map[string]any{
		"users": map[string]string{"href": api + "/users"}, "apps": map[string]string{"href": api + "/apps"},
	}}
}

func (d *Double) showGroups(groups []Group) []groupAnswer {
	answer := []groupAnswer{}
	for _, g := range groups {
		answer = append(answer, d.showGroup(g))
	}
	return answer
}

// group finds the group of the path or answers 404.
func (d *Double) group(w http.ResponseWriter, r *http.Request) (Group, bool) {
	var g Group
	var ok bool
	d.Ledger.View(func(tx *ledger.Tx) { g, ok = ledger.Get[Group](tx, groupsBucket, r.PathValue("group")) })
	if !ok {
		notFound(w, r.PathValue("group"), "UserGroup")
	}
	return g, ok
}

func (d *Double) listGroups(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	keep, err := condition(q, func(g Group, attribute string) (string, bool) {
		switch attribute {
		case "id":
			return g.ID, true
		case "type":
			return g.Type, true
		case "profile.name":
			return g.name(), true
		case "profile.description":
			s, _ := g.Profile["description"].(string)
			return s, true
		}
		return "", false
	})
	if err != nil {
		refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.", err.Error())
		return
	}
	var groups []Group
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, g := range ledger.All[Group](tx, groupsBucket, "") {
			if keep(g) && strings.HasPrefix(strings.ToLower(g.name()), strings.ToLower(q.Get("q"))) {
				groups = append(groups, g)
			}
		}
	})
	groups = page(d, w, r, groups, func(g Group) string { return g.ID }, 10000)
	rest.JSON(w, 200, d.showGroups(groups))
}

func (d *Double) getGroup(w http.ResponseWriter, r *http.Request) {
	if g, ok := d.group(w, r); ok {
		rest.JSON(w, 200, d.showGroup(g))
	}
}

// profile reads and checks a group's profile from the body.
func profile(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	var body struct{ Profile map[string]any }
	if rest.Read(w, r, &body) != nil {
		refuse(w, http.StatusBadRequest, "E0000003", "The request body was not well-formed.")
		return nil, false
	}
	name, _ := body.Profile["name"].(string)
	if name == "" || len(name) > 255 {
		invalid(w, "name", "The field must be between 1 and 255 characters long")
		return nil, false
	}
	if _, given := body.Profile["description"]; !given {
		body.Profile["description"] = nil
	}
	return body.Profile, true
}

const nameTaken = "An object with this field already exists in the current organization"

func (d *Double) createGroup(w http.ResponseWriter, r *http.Request) {
	p, ok := profile(w, r)
	if !ok {
		return
	}
	g, taken := newGroup(freshID("00g"), p), false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		if _, taken = groupByName(tx, g.name()); !taken {
			tx.Put(groupsBucket, g.ID, g)
			tx.Effect("okta.group.created", g.name())
		}
		return nil
	})
	switch {
	case err != nil:
		failed(w, err)
	case taken:
		invalid(w, "name", nameTaken)
	default:
		rest.JSON(w, 200, d.showGroup(g))
	}
}

func (d *Double) updateGroup(w http.ResponseWriter, r *http.Request) {
	g, ok := d.group(w, r)
	if !ok {
		return
	}
	p, ok := profile(w, r)
	if !ok {
		return
	}
	taken := false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		g, ok = ledger.Get[Group](tx, groupsBucket, g.ID)
		other, exists := groupByName(tx, p["name"].(string))
		if taken = exists && other.ID != g.ID; taken || !ok {
			return nil
		}
		g.Profile, g.Updated = p, moment()
		tx.Put(groupsBucket, g.ID, g)
		tx.Effect("okta.group.updated", g.name())
		return nil
	})
	switch {
	case err != nil:
		failed(w, err)
	case !ok:
		notFound(w, r.PathValue("group"), "UserGroup")
	case taken:
		invalid(w, "name", nameTaken)
	default:
		rest.JSON(w, 200, d.showGroup(g))
	}
}

func (d *Double) deleteGroup(w http.ResponseWriter, r *http.Request) {
	g, ok := d.group(w, r)
	if !ok {
		return
	}
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		if !tx.Delete(groupsBucket, g.ID) {
			return nil
		}
		for _, m := range ledger.All[membership](tx, membersBucket, g.ID+"/") {
			tx.Delete(membersBucket, m.Group+"/"+m.User)
		}
		tx.Effect("okta.group.deleted", g.name())
		return nil
	})
	if err != nil {
		failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *Double) listGroupUsers(w http.ResponseWriter, r *http.Request) {
	g, ok := d.group(w, r)
	if !ok {
		return
	}
	var users []User
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, m := range ledger.All[membership](tx, membersBucket, g.ID+"/") {
			if u, ok := ledger.Get[User](tx, usersBucket, m.User); ok {
				users = append(users, u)
			}
		}
	})
	rest.JSON(w, 200, d.showUsers(page(d, w, r, users, func(u User) string { return u.ID }, 1000)))
}

func (d *Double) addMember(w http.ResponseWriter, r *http.Request)    { d.setMember(w, r, true) }
func (d *Double) removeMember(w http.ResponseWriter, r *http.Request) { d.setMember(w, r, false) }

// setMember is 204 also when nothing changes, which then is no effect.
func (d *Double) setMember(w http.ResponseWriter, r *http.Request, in bool) {
	var g Group
	var u User
	var haveGroup, haveUser bool
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		g, haveGroup = ledger.Get[Group](tx, groupsBucket, r.PathValue("group"))
		u, haveUser = findUser(tx, r.PathValue("user"))
		if !haveGroup || !haveUser {
			return nil
		}
		key := g.ID + "/" + u.ID
		if _, member := ledger.Get[membership](tx, membersBucket, key); member == in {
			return nil
		}
		if in {
			tx.Put(membersBucket, key, membership{User: u.ID, Group: g.ID})
			tx.Effect("okta.membership.added", g.name()+"/"+u.login())
		} else {
			tx.Delete(membersBucket, key)
			tx.Effect("okta.membership.removed", g.name()+"/"+u.login())
		}
		g.MembershipUpdated = moment()
		tx.Put(groupsBucket, g.ID, g)
		return nil
	})
	switch {
	case err != nil:
		failed(w, err)
	case !haveGroup:
		notFound(w, r.PathValue("group"), "UserGroup")
	case !haveUser:
		notFound(w, r.PathValue("user"), "User")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
