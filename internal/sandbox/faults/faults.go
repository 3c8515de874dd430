// Package faults makes a provider double misbehave on demand, the way networks and providers do, and
// shows what really happened, so that a test can compare.
package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// Kind is a way to misbehave.
type Kind string

// The kinds.
const (
	Status      Kind = "status"       // answer with a status in the provider's own error shape; nothing happens
	Delay       Kind = "delay"        // wait, then work as usual
	DropBefore  Kind = "drop-before"  // close the connection; nothing happens
	DropAfter   Kind = "drop-after"   // let it happen, then close the connection without an answer
	StatusAfter Kind = "status-after" // let it happen, then answer with a status as if it had not
	RateLimit   Kind = "rate-limit"   // refuse with the provider's rate limit answer; nothing happens
)

var kinds = []Kind{Status, Delay, DropBefore, DropAfter, StatusAfter, RateLimit}

const rules = "faults.rules"

// Rule is one order to misbehave. It applies to the next Times matching requests and is then gone.
type Rule struct {
	ID         int64  `json:"id"`
	Provider   string `json:"provider"`           // github, okta, servicenow, catalog, slack, smtp; empty is any
	Method     string `json:"method,omitempty"`   // empty is any
	Path       string `json:"path,omitempty"`     // below the provider's prefix; * matches within a segment, a final /** the rest; empty is any
	Contains   string `json:"contains,omitempty"` // the request's body does; a body of over a mebibyte contains nothing
	Times      int    `json:"times"`              // 0 is taken as 1, -1 is until deleted
	Kind       Kind   `json:"kind"`
	Status     int    `json:"status,omitempty"`  // of kinds status and status-after (default 503) and rate-limit (default the provider's usual)
	DelayMs    int    `json:"delayMs,omitempty"` // of kind delay; with any other kind it is waited first
	RetryAfter int    `json:"retryAfter"`        // seconds, of kind rate-limit; 0 leaves the header out where the provider may
}

// Double is a provider double as seen from here.
type Double interface {
	http.Handler
	// Refuse answers with the provider's own error body for a status.
	Refuse(w http.ResponseWriter, r *http.Request, status int)
	// Limit answers as the provider does when too much was asked for; status 0 is its usual one.
	Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration)
}

// Desk takes orders and applies them.
type Desk struct{ Ledger *ledger.Ledger }

// Wrap puts the desk in front of a double and counts its calls by route.
func (d Desk) Wrap(provider string, double Double) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule, hit, err := d.Next(provider, r.Method, r.URL.Path, func() string { return peek(r) })
		if err != nil {
			double.Refuse(w, r, http.StatusInternalServerError)
			return
		}
		defer func() {
			route := r.Pattern
			if route == "" {
				route = r.Method + " (other)"
			}
			// A lost count of calls is no reason to fail a call that worked.
			_ = d.Ledger.Update(func(tx *ledger.Tx) error { tx.Call(provider + " " + route); return nil })
		}()
		if !hit {
			double.ServeHTTP(w, r)
			return
		}
		if rule.DelayMs > 0 {
			select {
			case <-time.After(time.Duration(rule.DelayMs) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		switch rule.Kind {
		case Status:
			double.Refuse(w, r, rule.Status)
		case StatusAfter:
			double.ServeHTTP(&silence{header: http.Header{}}, r)
			double.Refuse(w, r, rule.Status)
		case RateLimit:
			double.Limit(w, r, rule.Status, time.Duration(rule.RetryAfter)*time.Second)
		case DropBefore:
			panic(http.ErrAbortHandler)
		case DropAfter:
			double.ServeHTTP(&silence{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		default:
			double.ServeHTTP(w, r)
		}
	})
}

// silence swallows an answer.
type silence struct{ header http.Header }

func (s *silence) Header() http.Header         { return s.header }
func (s *silence) Write(b []byte) (int, error) { return len(b), nil }
func (s *silence) WriteHeader(int)             {}

// Next uses up one turn of the first rule that fits. Doubles that don't speak HTTP ask for it themselves.
func (d Desk) Next(provider, method, path string, content func() string) (Rule, bool, error) {
	body := sync.OnceValue(content)
	fits := func(rule Rule) bool {
		return rule.fits(provider, method, path) && (rule.Contains == "" || strings.Contains(body(), rule.Contains))
	}
	waiting := false
	d.Ledger.View(func(tx *ledger.Tx) { waiting = slices.ContainsFunc(ledger.All[Rule](tx, rules, ""), fits) })
	if !waiting {
		return Rule{}, false, nil
	}
	var rule Rule
	hit := false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		all := ledger.All[Rule](tx, rules, "")
		i := slices.IndexFunc(all, fits)
		if i < 0 {
			return nil
		}
		rule, hit = all[i], true
		left := rule
		switch {
		case rule.Times == 1:
			tx.Delete(rules, key(rule.ID))
		case rule.Times > 1:
			left.Times--
			tx.Put(rules, key(rule.ID), left)
		}
		return nil
	})
	return rule, hit, err
}

// peek reads a body and leaves it there.
func peek(r *http.Request) string {
	const most = 1 << 20
	read, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), r.Body), r.Body}
	if err != nil || len(read) > most {
		return ""
	}
	return string(read)
}

func key(id int64) string { return strconv.FormatInt(id, 10) }

func (r Rule) fits(provider, method, p string) bool {
	if r.Provider != "" && r.Provider != provider || r.Method != "" && !strings.EqualFold(r.Method, method) {
		return false
	}
	if r.Path == "" {
		return true
	}
	pattern := r.Path
	if head, ok := strings.CutSuffix(pattern, "/**"); ok {
		n := strings.Count(head, "/")
		parts := strings.SplitN(p, "/", n+2)
		if len(parts) < n+1 {
			return false
		}
		pattern, p = head, strings.Join(parts[:n+1], "/")
	}
	ok, _ := path.Match(pattern, p)
	return ok
}

func (r *Rule) check() error {
	if !slices.Contains(kinds, r.Kind) {
		return fmt.Errorf("kind must be one of %v", kinds)
	}
	if _, err := path.Match(r.Path, ""); err != nil || r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path must be a pattern that starts with /")
	}
	if r.Status != 0 && (r.Status < 400 || r.Status > 599) {
		return fmt.Errorf("status must be from 400 to 599")
	}
	if (r.Kind == Status || r.Kind == StatusAfter) && r.Status == 0 {
		r.Status = http.StatusServiceUnavailable
	}
	if r.Kind == Delay && r.DelayMs <= 0 {
		return fmt.Errorf("a delay needs delayMs")
	}
	if r.Times == 0 {
		r.Times = 1
	}
	return nil
}

// Handler serves the desk itself: GET and DELETE /counts; GET, POST and DELETE /rules; DELETE /rules/{id}.
func (d Desk) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, r *http.Request) { rest.JSON(w, 200, d.Ledger.Counts()) })
	mux.HandleFunc("DELETE /counts", func(w http.ResponseWriter, r *http.Request) { done(w, d.Ledger.Reset()) })
	mux.HandleFunc("GET /rules", func(w http.ResponseWriter, r *http.Request) {
		all := []Rule{}
		d.Ledger.View(func(tx *ledger.Tx) { all = append(all, ledger.All[Rule](tx, rules, "")...) })
		rest.JSON(w, 200, all)
	})
	mux.HandleFunc("POST /rules", d.add)
	mux.HandleFunc("DELETE /rules", func(w http.ResponseWriter, r *http.Request) { done(w, d.remove("")) })
	mux.HandleFunc("DELETE /rules/{id}", func(w http.ResponseWriter, r *http.Request) { done(w, d.remove(r.PathValue("id"))) })
	return mux
}

func (d Desk) add(w http.ResponseWriter, r *http.Request) {
	// A page in a browser can't send this content type across origins without being asked first.
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		rest.JSON(w, http.StatusUnsupportedMediaType, problem("send application/json"))
		return
	}
	var rule Rule
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	err := dec.Decode(&rule)
	if err == nil {
		err = rule.check()
	}
	if err != nil {
		rest.JSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	err = d.Ledger.Update(func(tx *ledger.Tx) error {
		rule.ID = tx.Next("faults.ids", "rule")
		tx.Put(rules, key(rule.ID), rule)
		return nil
	})
	if err != nil {
		rest.JSON(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	rest.JSON(w, http.StatusCreated, rule)
}

func (d Desk) remove(id string) error {
	return d.Ledger.Update(func(tx *ledger.Tx) error {
		for _, rule := range ledger.All[Rule](tx, rules, "") {
			if id == "" || id == key(rule.ID) {
				tx.Delete(rules, key(rule.ID))
			}
		}
		return nil
	})
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		rest.JSON(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func problem(text string) map[string]string { return map[string]string{"error": text} }
