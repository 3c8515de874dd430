// Package rest holds the few HTTP manners that all provider doubles share: JSON in and out, and
// tokens that are compared without telling how much of them was right.
package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// BodyLimit is the size in bytes of the largest JSON body that a double reads.
const BodyLimit = 10 << 20

// JSON answers with v.
func JSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Read decodes the JSON body of a request; an empty body leaves v as it is.
func Read(w http.ResponseWriter, r *http.Request, v any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, BodyLimit)).Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Same compares a presented secret with the accepted one in constant time. Nothing equals an empty secret.
func Same(presented, accepted string) bool {
	p, a := sha256.Sum256([]byte(presented)), sha256.Sum256([]byte(accepted))
	return subtle.ConstantTimeCompare(p[:], a[:]) == 1 && accepted != ""
}

// Token returns the credential of an Authorization header with one of the given schemes.
func Token(r *http.Request, schemes ...string) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok {
		return "", false
	}
	for _, s := range schemes {
		if strings.EqualFold(s, scheme) {
			return strings.TrimSpace(token), true
		}
	}
	return "", false
}

// Int reads a query parameter as a number within limits; what can't be read is the default.
func Int(r *http.Request, name string, def, lowest, highest int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return def
	}
	return min(max(n, lowest), highest)
}

// Window is a rate limit window that is reported but never enforced: one that runs out in the middle
// of a long benchmark would stop clients that obey it.
type Window struct {
	Limit     int
	Remaining int // never below 1
	Reset     int64
}

// Meter hands out Windows of a fixed length.
type Meter struct {
	Limit  int
	Length time.Duration

	mu    sync.Mutex
	used  int
	reset time.Time
}

// Use counts one call.
func (m *Meter) Use(now time.Time) Window {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.After(m.reset) {
		m.used, m.reset = 0, now.Add(m.Length)
	}
	m.used++
	return Window{Limit: m.Limit, Remaining: max(1, m.Limit-m.used), Reset: m.reset.Unix()}
}
