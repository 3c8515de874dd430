package okta

import (
	"net/http"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

type userAnswer struct {
	User
	LastLogin       any            `json:"lastLogin"`
	PasswordChanged any            `json:"passwordChanged"`
	Type            map[string]any `json:"type"`
	Credentials     map[string]any `json:"credentials"`
	Links           map[string]any `json:"_links"`
}

func (d *Double) showUser(u User) userAnswer {
	return userAnswer{
		User: u, Type: map[string]any{"id": stableID("oty", "user")},
		Credentials: map[string]any{"provider": map[string]string{"type": "OKTA", "name": "OKTA"}},
		Links:       map[string]any{"self": map[string]string{"href": d.URL + "/api/v1/users/" + u.ID}},
	}
}

func (d *Double) showUsers(users []User) []userAnswer {
	answer := []userAnswer{}
	for _, u := range users {
		answer = append(answer, d.showUser(u))
	}
	return answer
}

// user finds the user of the path or answers 404.
func (d *Double) user(w http.ResponseWriter, r *http.Request) (User, bool) {
	var u User
	var ok bool
	d.Ledger.View(func(tx *ledger.Tx) { u, ok = findUser(tx, r.PathValue("user")) })
	if !ok {
		notFound(w, r.PathValue("user"), "User")
	}
	return u, ok
}

func (d *Double) getUser(w http.ResponseWriter, r *http.Request) {
	if u, ok := d.user(w, r); ok {
		rest.JSON(w, 200, d.showUser(u))
	}
}

func (d *Double) listUserGroups(w http.ResponseWriter, r *http.Request) {
	u, ok := d.user(w, r)
	if !ok {
		return
	}
	var groups []Group
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, m := range ledger.All[membership](tx, membersBucket, "") {
			if g, ok := ledger.Get[Group](tx, groupsBucket, m.Group); ok && m.User == u.ID {
				groups = append(groups, g)
			}
		}
	})
	rest.JSON(w, 200, d.showGroups(groups))
}

func (d *Double) listUsers(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	keep, err := condition(query, func(u User, attribute string) (string, bool) {
		switch attribute {
		case "id":
			return u.ID, true
		case "status":
			return u.Status, true
		}
		name, ok := strings.CutPrefix(attribute, "profile.")
		s, _ := u.Profile[name].(string)
		return s, ok
	})
	if err != nil {
		refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.", err.Error())
		return
	}
	q := strings.ToLower(query.Get("q"))
	var users []User
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, u := range ledger.All[User](tx, usersBucket, "") {
			matches := q == ""
			for _, field := range []string{"firstName", "lastName", "email"} {
				s, _ := u.Profile[field].(string)
				matches = matches || strings.HasPrefix(strings.ToLower(s), q)
			}
			if matches && keep(u) {
				users = append(users, u)
			}
		}
	})
	rest.JSON(w, 200, d.showUsers(page(d, w, r, users, func(u User) string { return u.ID }, 200)))
}

func (d *Double) createUser(w http.ResponseWriter, r *http.Request) {
	var body struct{ Profile map[string]any }
	if rest.Read(w, r, &body) != nil {
		refuse(w, http.StatusBadRequest, "E0000003", "The request body was not well-formed.")
		return
	}
	now := moment()
	u := User{ID: freshID("00u"), Status: "ACTIVE", Created: now, Activated: now, Changed: now, Updated: now, Profile: body.Profile}
	if !strings.Contains(u.login(), "@") {
		invalid(w, "login", "Username must be in the form of an email address")
		return
	}
	taken := false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		if _, taken = userByLogin(tx, u.login()); !taken {
			tx.Put(usersBucket, u.ID, u)
			tx.Effect("okta.user.created", u.login())
		}
		return nil
	})
	switch {
	case err != nil:
		failed(w, err)
	case taken:
		invalid(w, "login", nameTaken)
	default:
		rest.JSON(w, 200, d.showUser(u))
	}
}
