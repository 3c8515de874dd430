// Package servicenow is a double of ServiceNow's Table API for tickets, with the manners that
// surprise: every value is a string, journals append, and unknown query fields are dropped.
package servicenow

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

const numbersBucket = "servicenow.numbers" // table

func bucket(table string) string { return "servicenow." + table }

// Options are what a Double needs.
type Options struct {
	Ledger   *ledger.Ledger
	URL      string // public URL of the instance
	User     string // of basic auth, with Password
	Password string
	Token    string // accepted as a bearer
}

// Double answers as a ServiceNow instance does.
type Double struct {
	Options
	mux   *http.ServeMux
	meter rest.Meter
}

// New makes the double.
func New(o Options) *Double {
	d := &Double{Options: o, mux: http.NewServeMux(), meter: rest.Meter{Limit: 100000, Length: time.Hour}}
	for _, base := range []string{"/api/now/table/{table}", "/api/now/v1/table/{table}", "/api/now/v2/table/{table}"} {
		d.mux.HandleFunc("GET "+base, d.table(d.list))
		d.mux.HandleFunc("POST "+base, d.table(d.insert))
		d.mux.HandleFunc("GET "+base+"/{id}", d.table(d.get))
		d.mux.HandleFunc("PATCH "+base+"/{id}", d.table(d.update))
		d.mux.HandleFunc("PUT "+base+"/{id}", d.table(d.update))
		d.mux.HandleFunc("DELETE "+base+"/{id}", d.table(d.remove))
	}
	return d
}

// ServeHTTP serves the paths of the instance.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	window := d.meter.Use(time.Now())
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(window.Limit))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(window.Reset, 10))
	w.Header().Set("X-RateLimit-Rule", "gildway-sandbox")
	if _, ok := d.caller(r); !ok {
		w.Header().Set("WWW-Authenticate", `BASIC realm="Service-now"`)
		refuse(w, http.StatusUnauthorized, "User Not Authenticated", "Required to provide Auth information")
		return
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		refuse(w, http.StatusBadRequest, "Requested URI does not represent any resource", r.URL.Path)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// caller is the user name that changes are written under.
func (d *Double) caller(r *http.Request) (string, bool) {
	if token, ok := rest.Token(r, "Bearer"); ok {
		return d.User, rest.Same(token, d.Token)
	}
	user, password, ok := r.BasicAuth()
	goodUser, goodPassword := rest.Same(user, d.User), rest.Same(password, d.Password)
	return user, ok && goodUser && goodPassword
}

func refuse(w http.ResponseWriter, status int, message, detail string) {
	var d any
	if detail != "" {
		d = detail
	}
	rest.JSON(w, status, map[string]any{"error": map[string]any{"message": message, "detail": d}, "status": "failure"})
}

func failed(w http.ResponseWriter, err error) {
	refuse(w, http.StatusInternalServerError, "Internal Server Error", err.Error())
}

// Refuse answers with a status in ServiceNow's error shape.
func (d *Double) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	refuse(w, status, http.StatusText(status), "")
}

// Limit answers as an instance with a rate limit rule does.
func (d *Double) Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if status == 0 {
		status = http.StatusTooManyRequests
	}
	if retryAfter == 0 {
		retryAfter = time.Minute
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	refuse(w, status, "Rate limit exceeded", "Rejected by large REST request rate limiting rule gildway-sandbox")
}

// AddUser makes a sys_user exist without counting it.
func AddUser(tx *ledger.Tx, userName, name, email string) {
	id := stableID("sys_user " + userName)
	now := moment()
	tx.Put(bucket("sys_user"), id, record{
		"sys_id": id, "user_name": userName, "name": name, "email": email, "active": "true",
		"sys_created_on": now, "sys_updated_on": now, "sys_created_by": "admin", "sys_updated_by": "admin", "sys_mod_count": "0",
	})
}

// AddGroup makes a sys_user_group exist without counting it.
func AddGroup(tx *ledger.Tx, name string) {
	id := stableID("sys_user_group " + name)
	now := moment()
	tx.Put(bucket("sys_user_group"), id, record{
		"sys_id": id, "name": name, "active": "true",
		"sys_created_on": now, "sys_updated_on": now, "sys_created_by": "admin", "sys_updated_by": "admin", "sys_mod_count": "0",
	})
}

func stableID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

func freshID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// moment is now in the only format that ServiceNow has for times, in UTC.
func moment() string { return time.Now().UTC().Format("2006-01-02 15:04:05") }

func (d *Double) link(table, id string) string {
	return fmt.Sprintf("%s/api/now/table/%s/%s", d.URL, table, id)
}
