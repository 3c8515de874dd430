// Package okta is a double of Okta's management API for users, groups and memberships.
package okta

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// Buckets of the ledger.
const (
	usersBucket   = "okta.users"   // id
	groupsBucket  = "okta.groups"  // id
	membersBucket = "okta.members" // group id/user id
)

// User is a person in the directory.
type User struct {
	ID        string         `json:"id"`
	Status    string         `json:"status"`
	Created   time.Time      `json:"created"`
	Activated time.Time      `json:"activated"`
	Changed   time.Time      `json:"statusChanged"`
	Updated   time.Time      `json:"lastUpdated"`
	Profile   map[string]any `json:"profile"`
}

func (u User) login() string { s, _ := u.Profile["login"].(string); return s }

// Group is a group of users.
type Group struct {
	ID                string         `json:"id"`
	Created           time.Time      `json:"created"`
	Updated           time.Time      `json:"lastUpdated"`
	MembershipUpdated time.Time      `json:"lastMembershipUpdated"`
	ObjectClass       []string       `json:"objectClass"`
	Type              string         `json:"type"`
	Profile           map[string]any `json:"profile"`
}

func (g Group) name() string { s, _ := g.Profile["name"].(string); return s }

type membership struct {
	User  string `json:"user"`
	Group string `json:"group"`
}

// Options are what a Double needs.
type Options struct {
	Ledger *ledger.Ledger
	URL    string // public URL of the double, the "org URL" of a client
	Token  string // the one accepted API token
}

// Double answers as an Okta organization does.
type Double struct {
	Options
	mux   *http.ServeMux
	meter rest.Meter
}

// New makes the double.
func New(o Options) *Double {
	d := &Double{Options: o, mux: http.NewServeMux(), meter: rest.Meter{Limit: 600, Length: time.Minute}}
	m := d.mux
	m.HandleFunc("GET /api/v1/users", d.listUsers)
	m.HandleFunc("POST /api/v1/users", d.createUser)
	m.HandleFunc("GET /api/v1/users/{user}", d.getUser)
	m.HandleFunc("GET /api/v1/users/{user}/groups", d.listUserGroups)
	m.HandleFunc("GET /api/v1/groups", d.listGroups)
	m.HandleFunc("POST /api/v1/groups", d.createGroup)
	m.HandleFunc("GET /api/v1/groups/{group}", d.getGroup)
	m.HandleFunc("PUT /api/v1/groups/{group}", d.updateGroup)
	m.HandleFunc("DELETE /api/v1/groups/{group}", d.deleteGroup)
	m.HandleFunc("GET /api/v1/groups/{group}/users", d.listGroupUsers)
	m.HandleFunc("PUT /api/v1/groups/{group}/users/{user}", d.addMember)
	m.HandleFunc("DELETE /api/v1/groups/{group}/users/{user}", d.removeMember)
	return d
}

// ServeHTTP serves the paths below the org URL.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.headers(w, d.meter.Use(time.Now()))
	token, ok := rest.Token(r, "SSWS", "Bearer")
	if !ok || !rest.Same(token, d.Token) {
		refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		refuse(w, http.StatusNotFound, "E0000022", "The endpoint does not support the provided HTTP method")
		return
	}
	d.mux.ServeHTTP(w, r)
}

func (d *Double) headers(w http.ResponseWriter, window rest.Window) {
	h := w.Header()
	h.Set("X-Okta-Request-Id", rand.Text()[:20])
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(window.Limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(window.Remaining))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(window.Reset, 10))
	h.Set("Cache-Control", "no-cache, no-store")
}

func refuse(w http.ResponseWriter, status int, code, summary string, causes ...string) {
	list := []map[string]string{}
	for _, c := range causes {
		list = append(list, map[string]string{"errorSummary": c})
	}
	rest.JSON(w, status, map[string]any{
		"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oae" + rand.Text()[:20], "errorCauses": list,
	})
}

func failed(w http.ResponseWriter, err error) {
	refuse(w, http.StatusInternalServerError, "E0000009", "Internal Server Error: "+err.Error())
}

func invalid(w http.ResponseWriter, field, cause string) {
	refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: "+field, field+": "+cause)
}

func notFound(w http.ResponseWriter, id, kind string) {
	refuse(w, http.StatusNotFound, "E0000007", fmt.Sprintf("Not found: Resource not found: %s (%s)", id, kind))
}

// Refuse answers with a status in Okta's error shape.
func (d *Double) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	d.headers(w, d.meter.Use(time.Now()))
	code, known := map[int]string{
		400: "E0000001", 401: "E0000011", 403: "E0000006", 404: "E0000007", 429: "E0000047", 500: "E0000009", 503: "E0000010",
	}[status]
	if !known {
		code = "E0000009"
	}
	refuse(w, status, code, http.StatusText(status))
}

// Limit answers 429; the reset is retryAfter away, by default a minute.
func (d *Double) Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if status == 0 {
		status = http.StatusTooManyRequests
	}
	if retryAfter == 0 {
		retryAfter = time.Minute
	}
	d.headers(w, rest.Window{Limit: d.meter.Limit, Reset: time.Now().Add(retryAfter).Unix()})
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	refuse(w, status, "E0000047", "API call exceeded rate limit due to too many requests.")
}

// Account is a user as a seed or an administrator describes one.
type Account struct {
	Login       string // also the mail address
	DisplayName string
	Groups      []string // names; missing ones are made
}

// Enrol makes the account and its groups exist, without counting effects: it is the directory's own doing.
// Memberships that the account has beyond Groups stay.
func Enrol(tx *ledger.Tx, a Account) {
	user, ok := userByLogin(tx, a.Login)
	if !ok {
		now := moment()
		user = User{ID: stableID("00u", a.Login), Status: "ACTIVE", Created: now, Activated: now, Changed: now, Updated: now}
	}
	first, last, _ := strings.Cut(a.DisplayName, " ")
	user.Profile = map[string]any{
		"login": a.Login, "email": a.Login, "firstName": first, "lastName": last, "displayName": a.DisplayName,
		"mobilePhone": nil, "secondEmail": nil,
	}
	tx.Put(usersBucket, user.ID, user)
	for _, name := range a.Groups {
		g := EnsureGroup(tx, name, "")
		tx.Put(membersBucket, g.ID+"/"+user.ID, membership{User: user.ID, Group: g.ID})
	}
}

// EnsureGroup makes the group exist, without counting an effect.
func EnsureGroup(tx *ledger.Tx, name, description string) Group {
	g, ok := groupByName(tx, name)
	if !ok {
		g = newGroup(stableID("00g", name), map[string]any{"name": name, "description": description})
		tx.Put(groupsBucket, g.ID, g)
	}
	return g
}

func newGroup(id string, profile map[string]any) Group {
	now := moment()
	return Group{
		ID: id, Created: now, Updated: now, MembershipUpdated: now,
		ObjectClass: []string{"okta:user_group"}, Type: "OKTA_GROUP", Profile: profile,
	}
}

// moment is now, as precise as Okta tells it.
func moment() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func stableID(prefix, name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:17]
}

func freshID(prefix string) string { return prefix + strings.ToLower(rand.Text())[:17] }

func userByLogin(tx *ledger.Tx, login string) (User, bool) {
	for _, u := range ledger.All[User](tx, usersBucket, "") {
		if strings.EqualFold(u.login(), login) {
			return u, true
		}
	}
	return User{}, false
}

func groupByName(tx *ledger.Tx, name string) (Group, bool) {
	for _, g := range ledger.All[Group](tx, groupsBucket, "") {
		if g.name() == name {
			return g, true
		}
	}
	return Group{}, false
}

// findUser takes an id, a login, or the part of a login before the @ if only one user has it.
func findUser(tx *ledger.Tx, id string) (User, bool) {
	if u, ok := ledger.Get[User](tx, usersBucket, id); ok {
		return u, true
	}
	if u, ok := userByLogin(tx, id); ok {
		return u, true
	}
	var short []User
	for _, u := range ledger.All[User](tx, usersBucket, "") {
		if name, _, _ := strings.Cut(u.login(), "@"); strings.EqualFold(name, id) {
			short = append(short, u)
		}
	}
	if len(short) == 1 {
		return short[0], true
	}
	return User{}, false
}
