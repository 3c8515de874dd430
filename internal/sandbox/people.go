package sandbox

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/catalog"
	"github.com/gildway/gildway/internal/sandbox/github"
	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/okta"
	"github.com/gildway/gildway/internal/sandbox/rest"
	"github.com/gildway/gildway/internal/sandbox/seed"
	"github.com/gildway/gildway/internal/sandbox/servicenow"
	"github.com/gildway/gildway/internal/sandbox/slack"
)

// mailDomain makes logins of names.
const mailDomain = "acme.example"

// person is someone in the directory. Groups are catalog refs; a bare name means group:default/NAME.
type person struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

var (
	personName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	groupRef   = regexp.MustCompile(`^group:default/([a-z0-9][a-z0-9._-]{0,62})$`)
)

// enrol makes the person and the groups exist in every double.
func (p person) enrol(tx *ledger.Tx) error {
	var names []string
	for _, g := range p.Groups {
		names = append(names, groupRef.FindStringSubmatch(g)[1])
	}
	if err := catalog.Enrol(tx, p.Name, p.DisplayName, p.Email, p.Groups); err != nil {
		return err
	}
	p.addAccounts(tx, names)
	return nil
}

func (p person) addAccounts(tx *ledger.Tx, groups []string) {
	okta.Enrol(tx, okta.Account{Login: p.Email, DisplayName: p.DisplayName, Groups: groups})
	github.Seed(tx, []github.Owner{{Login: p.Name, Type: "User", Name: p.DisplayName}}, nil)
	servicenow.AddUser(tx, p.Name, p.DisplayName, p.Email)
	slack.AddUser(tx, p.Name, p.DisplayName, p.Email)
}

// putting serves PUT /people/{name}, by which the local stack brings someone into the directory, and PUT /entities, by
// which it lists what comes from no location.
func (s *Sandbox) putting(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /entities", func(w http.ResponseWriter, r *http.Request) {
		var entities []map[string]any
		err := rest.Read(w, r, &entities)
		if err == nil {
			err = s.ledger.Update(func(tx *ledger.Tx) error {
				for _, e := range entities {
					if err := catalog.Put(tx, e); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil {
			rest.JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /people/{name}", func(w http.ResponseWriter, r *http.Request) {
		var p person
		err := rest.Read(w, r, &p)
		if err == nil {
			p.Name = r.PathValue("name")
			err = p.check()
		}
		if err == nil {
			err = s.ledger.Update(p.enrol)
		}
		if err != nil {
			rest.JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		rest.JSON(w, http.StatusOK, p)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Who is in which group decides who may approve: a user token is not enough here.
		if bearer, _ := rest.Token(r, "Bearer"); !rest.Same(bearer, token) {
			rest.JSON(w, http.StatusUnauthorized, map[string]string{"error": "the sandbox's own catalog token is needed"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *person) check() error {
	if !personName.MatchString(p.Name) {
		return errors.New("name must be lower case letters, digits, dots, dashes and underscores")
	}
	if p.DisplayName == "" {
		p.DisplayName = p.Name
	}
	if p.Email == "" {
		p.Email = p.Name + "@" + mailDomain
	}
	if local, domain, ok := strings.Cut(p.Email, "@"); !ok || local == "" || domain == "" {
		return errors.New("email must be a mail address")
	}
	for i, g := range p.Groups {
		g = strings.ToLower(g)
		if !strings.Contains(g, ":") {
			g = "group:" + g
		}
		if !strings.Contains(g, "/") {
			g = strings.Replace(g, "group:", "group:default/", 1)
		}
		if !groupRef.MatchString(g) {
			return errors.New("groups must be refs such as group:default/payments-team")
		}
		p.Groups[i] = g
	}
	return nil
}

// plant puts the seed into an empty ledger, and does nothing to any other.
func plant(tx *ledger.Tx) error {
	entities, err := seed.Entities()
	if err != nil {
		return err
	}
	if _, done := ledger.Get[bool](tx, "sandbox", "seeded"); done {
		plantSlack(tx, entities)
		return nil
	}
	others, err := seed.Others()
	if err != nil {
		return err
	}
	var owners []github.Owner
	for _, o := range others.GitHub.Owners {
		owners = append(owners, github.Owner{Login: o.Login, Type: o.Type, Name: o.Name})
	}
	for _, g := range others.Okta.Groups {
		okta.EnsureGroup(tx, g.Name, g.Description)
	}
	var teams []github.Team
	for _, e := range entities {
		if err := catalog.Put(tx, e); err != nil {
			return err
		}
		meta, spec := e["metadata"].(map[string]any), e["spec"].(map[string]any)
		name := meta["name"].(string)
		profile, _ := spec["profile"].(map[string]any)
		shown, _ := profile["displayName"].(string)
		switch e["kind"] {
		case "Group":
			description, _ := meta["description"].(string)
			okta.EnsureGroup(tx, name, description)
			servicenow.AddGroup(tx, shown)
			teams = append(teams, github.Team{Org: others.GitHub.Org, Slug: name, Name: shown})
		case "User":
			p := person{Name: name, DisplayName: shown}
			p.Email, _ = profile["email"].(string)
			var groups []string
			for _, g := range spec["memberOf"].([]any) {
				groups = append(groups, groupRef.FindStringSubmatch(g.(string))[1])
			}
			p.addAccounts(tx, groups)
		}
	}
	github.Seed(tx, owners, teams)
	plantSlack(tx, entities)
	tx.Put("sandbox", "seeded", true)
	return nil
}

// plantSlack gives the teams of the seed a channel each and its people an account, also in a ledger from before there was a
// Slack.
func plantSlack(tx *ledger.Tx, entities []map[string]any) {
	if _, done := ledger.Get[bool](tx, "sandbox", "slack"); done {
		return
	}
	for _, e := range entities {
		name := e["metadata"].(map[string]any)["name"].(string)
		profile, _ := e["spec"].(map[string]any)["profile"].(map[string]any)
		switch e["kind"] {
		case "Group":
			slack.AddChannel(tx, name)
		case "User":
			shown, _ := profile["displayName"].(string)
			email, _ := profile["email"].(string)
			slack.AddUser(tx, name, shown, email)
		}
	}
	tx.Put("sandbox", "slack", true)
}
