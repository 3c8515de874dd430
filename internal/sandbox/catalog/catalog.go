// Package catalog is a double of the Backstage software catalog: locations, entities, relations and
// queries over them, with the kinds AIModel and Toolchain beside Backstage's own.
package catalog

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// Buckets of the ledger.
const (
	locationsBucket = "catalog.locations" // id
	entitiesBucket  = "catalog.entities"  // ref
)

// ErrNotAllowed is what Options.Read returns for a URL that it never reads.
var ErrNotAllowed = errors.New("reading is not allowed")

// Options are what a Double needs.
type Options struct {
	Ledger *ledger.Ledger
	// Read gets the file that a location points to; fs.ErrNotExist and ErrNotAllowed tell why not.
	Read func(ctx context.Context, url string) ([]byte, error)
	// Accepts tells whether a bearer token is valid.
	Accepts func(token string) bool
}

// Double answers as /api/catalog of a Backstage backend does.
type Double struct {
	Options
	mux   *http.ServeMux
	mu    sync.Mutex
	state *snapshot // as of its revision
}

// New makes the double.
func New(o Options) *Double {
	d := &Double{Options: o, mux: http.NewServeMux()}
	m := d.mux
	m.HandleFunc("POST /locations", d.postLocation)
	m.HandleFunc("GET /locations", d.listLocations)
	m.HandleFunc("GET /locations/{id}", d.getLocation)
	m.HandleFunc("DELETE /locations/{id}", d.deleteLocation)
	m.HandleFunc("GET /locations/by-entity/{kind}/{namespace}/{name}", d.locationByEntity)
	m.HandleFunc("GET /entities", d.listEntities)
	m.HandleFunc("GET /entities/by-name/{kind}/{namespace}/{name}", d.entityByName)
	m.HandleFunc("GET /entities/by-uid/{uid}", d.entityByUID)
	m.HandleFunc("DELETE /entities/by-uid/{uid}", d.deleteEntity)
	m.HandleFunc("POST /entities/by-refs", d.entitiesByRefs)
	m.HandleFunc("GET /entities/by-query", d.entitiesByQuery)
	m.HandleFunc("POST /entities/by-query", d.entitiesByQuery)
	m.HandleFunc("GET /entity-facets", d.facets)
	m.HandleFunc("POST /refresh", d.postRefresh)
	m.HandleFunc("POST /validate-entity", d.validateEntity)
	return d
}

// ServeHTTP serves the paths below /api/catalog.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.Authorize(w, r) {
		return
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		w.WriteHeader(http.StatusNotFound) // with an empty body, as Backstage does
		return
	}
	d.mux.ServeHTTP(w, r)
}

// Authorize answers 401 itself if the request has no valid bearer token.
func (d *Double) Authorize(w http.ResponseWriter, r *http.Request) bool {
	token, ok := rest.Token(r, "Bearer")
	switch {
	case !ok || token == "":
		refuse(w, r, "AuthenticationError", "Missing credentials")
		return false
	case !d.Accepts(token):
		refuse(w, r, "AuthenticationError", "Illegal token")
		return false
	}
	return true
}

var statuses = map[string]int{
	"InputError": 400, "AuthenticationError": 401, "NotAllowedError": 403, "NotFoundError": 404,
	"ConflictError": 409, "NotImplementedError": 501, "ServiceUnavailableError": 503,
}

func refuse(w http.ResponseWriter, r *http.Request, name, message string) {
	status, known := statuses[name]
	if !known {
		status = http.StatusInternalServerError
	}
	refuseStatus(w, r, status, name, message)
}

func refuseStatus(w http.ResponseWriter, r *http.Request, status int, name, message string) {
	rest.JSON(w, status, map[string]any{
		"error":    map[string]string{"name": name, "message": message},
		"request":  map[string]string{"method": r.Method, "url": r.URL.RequestURI()},
		"response": map[string]int{"statusCode": status},
	})
}

// Refuse answers with a status in Backstage's error shape.
func (d *Double) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	name := "Error"
	for n, s := range statuses {
		if s == status {
			name = n
		}
	}
	refuseStatus(w, r, status, name, http.StatusText(status))
}

// Limit answers as the rate limiter in front of a Backstage backend does.
func (d *Double) Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if status == 0 {
		status = http.StatusTooManyRequests
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", time.Now().Add(retryAfter).UTC().Format(http.TimeFormat))
	}
	refuseStatus(w, r, status, "Error", "Too many requests, please try again later")
}

// body reads a JSON object and insists on the properties that the API's description requires.
func body(w http.ResponseWriter, r *http.Request, required ...string) (map[string]any, bool) {
	b := map[string]any{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if err := rest.Read(w, r, &b); err != nil {
			refuse(w, r, "InputError", err.Error())
			return nil, false
		}
	}
	for _, name := range required {
		if _, ok := b[name]; !ok {
			refuse(w, r, "InputError", "request/body must have required property '"+name+"'")
			return nil, false
		}
	}
	return b, true
}

// record is a stored entity.
type record struct {
	UID      string         `json:"uid"`
	Entity   map[string]any `json:"entity"`   // without uid, etag and relations
	Location string         `json:"location"` // id of the location that it came from; empty for what the sandbox put there
}

// Put stores an entity that comes from no location, replacing one with the same ref. It is the
// directory's own doing and not counted.
func Put(tx *ledger.Tx, entity map[string]any) error {
	if err := check(entity); err != nil {
		return err
	}
	setDefaults(entity, "url:sandbox://seed", "")
	ref := refOf(entity)
	old, existed := ledger.Get[record](tx, entitiesBucket, ref)
	if !existed {
		old.UID = newUUID()
	}
	tx.Put(entitiesBucket, ref, record{UID: old.UID, Entity: entity})
	return nil
}

// Enrol makes a user with these groups exist; groups that the catalog lacks are made, other
// memberships of the user end. Refs are complete: group:default/payments-team.
func Enrol(tx *ledger.Tx, name, displayName, email string, groups []string) error {
	for _, g := range groups {
		ref, err := parseRef(g, "group", "default")
		if err != nil {
			return err
		}
		if _, ok := ledger.Get[record](tx, entitiesBucket, ref.String()); !ok {
			err := Put(tx, map[string]any{
				"apiVersion": "backstage.io/v1alpha1", "kind": "Group",
				"metadata": map[string]any{"name": ref.name, "namespace": ref.namespace},
				"spec":     map[string]any{"type": "team", "children": []any{}},
			})
			if err != nil {
				return err
			}
		}
	}
	memberOf := []any{}
	for _, g := range groups {
		memberOf = append(memberOf, g)
	}
	return Put(tx, map[string]any{
		"apiVersion": "backstage.io/v1alpha1", "kind": "User", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"profile": map[string]any{"displayName": displayName, "email": email}, "memberOf": memberOf},
	})
}
