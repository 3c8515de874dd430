package fault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Provider is the HTTP transport to a provider. It gives answers below 400 through and turns every
// other one, and every failed connection, into a fault, so that errors are told apart once for all
// providers. No token that authorizes the request stands in a fault, not even in its cause.
type Provider struct {
	Name string            // in public texts, e.g. GitHub
	Base http.RoundTripper // nil = http.DefaultTransport
}

const (
	blindWait       = time.Minute     // GitHub's documented wait when a limit names no time
	concurrencyWait = 5 * time.Second // Okta's concurrency limit has a reset that says nothing
	longestWait     = 24 * time.Hour  // more is a mistake, and far more would overflow
	bodyKept        = 4 << 10
)

// RoundTrip implements http.RoundTripper.
func (p Provider) RoundTrip(r *http.Request) (*http.Response, error) {
	base := p.Base
	if base == nil {
		base = http.DefaultTransport
	}
	answer, err := base.RoundTrip(r)
	if err != nil {
		if r.Context().Err() != nil {
			return nil, Wrap(Unavailable, r.Context().Err(), "%s did not answer in time", p.Name)
		}
		// The text only: an io.EOF inside makes some SDKs repeat the request without end.
		return nil, Wrap(Unavailable, errors.New(err.Error()), "%s can't be reached", p.Name)
	}
	if answer.StatusCode < 400 {
		return answer, nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, bodyKept)) // whatever of it came is good enough for the log
	return nil, p.refused(r, answer, body)
}

func (p Provider) refused(r *http.Request, answer *http.Response, body []byte) *Error {
	f := &Error{Cause: fmt.Errorf("%s %s: %s: %s", r.Method, r.URL.Path, answer.Status, withoutToken(r, body))}
	if wait, limited := throttled(answer, body); limited {
		f.Kind, f.RetryAfter = RateLimited, wait
		f.Public = fmt.Sprintf("%s asks us to slow down", p.Name)
		return f
	}
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized:
		f.Kind, f.Public = Denied, p.Name+" does not accept our credential"
	case status == http.StatusForbidden:
		f.Kind, f.Public = Denied, p.Name+" does not let our credential do this"
	case status == http.StatusNotFound:
		f.Kind, f.Public = NotFound, p.Name+" has no such thing, or hides it from our credential"
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		f.Kind, f.Public = Conflict, p.Name+" says that something else is in the way"
	case status == http.StatusGone:
		f.Kind, f.Public = Gone, p.Name+" has it no more"
	case status >= 500, status == http.StatusRequestTimeout:
		f.Kind, f.Public = Unavailable, p.Name+" has a problem of its own"
		f.RetryAfter, _ = retryAfter(answer.Header, sent(answer.Header))
	default:
		f.Kind, f.Public = Invalid, p.Name+" does not accept what was asked"
	}
	return f
}

// throttled reports whether an answer means "too much", and how long to wait. A 403 does only when
// it carries a mark of a limit (GitHub REST, "Rate limits").
func throttled(answer *http.Response, body []byte) (time.Duration, bool) {
	h, now := answer.Header, sent(answer.Header)
	after, told := retryAfter(h, now)
	switch answer.StatusCode {
	case http.StatusTooManyRequests:
	case http.StatusForbidden:
		if !told && first(h, "X-RateLimit-Remaining") != "0" && !bytes.Contains(bytes.ToLower(body), []byte("secondary rate limit")) {
			return 0, false
		}
	default:
		return 0, false
	}
	if told {
		return after, true
	}
	if h.Get("X-Rate-Limit-Limit") == "0" {
		return concurrencyWait, true
	}
	if reset := first(h, "X-RateLimit-Reset", "X-Rate-Limit-Reset"); reset != "" {
		if at, err := strconv.ParseInt(reset, 10, 64); err == nil {
			return min(max(time.Unix(at, 0).Sub(now), 0), longestWait) + time.Second, true
		}
		if at, err := time.Parse(time.RFC3339, reset); err == nil {
			return min(max(at.Sub(now), 0), longestWait) + time.Second, true
		}
	}
	return blindWait, true
}

// retryAfter reads RFC 9110's Retry-After in either of its forms.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil && seconds >= 0 {
		return time.Duration(min(max(seconds, 1), int(longestWait/time.Second))) * time.Second, true
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), time.Second), longestWait), true
	}
	return 0, false
}

// sent is the provider's own clock, which its reset times refer to.
func sent(h http.Header) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return time.Now()
}

func first(h http.Header, names ...string) string {
	for _, n := range names {
		if v := h.Get(n); v != "" {
			return v
		}
	}
	return ""
}

func withoutToken(r *http.Request, body []byte) string {
	text := string(body)
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	hidden := []string{credential}
	if user, password, ok := r.BasicAuth(); ok {
		hidden = append(hidden, user+":"+password, password)
	}
	for _, h := range hidden {
		if h != "" {
			text = strings.ReplaceAll(text, h, "[secret]")
		}
	}
	return text
}
