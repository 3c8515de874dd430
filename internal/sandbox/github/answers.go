package github

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

const docs = "https://docs.github.com/rest"

// problem is one entry of the errors list of a 422.
type problem struct {
	Resource string `json:"resource"`
	Code     string `json:"code"`
	Field    string `json:"field,omitempty"`
	Message  string `json:"message,omitempty"`
}

func refuse(w http.ResponseWriter, status int, message, anchor string, problems ...problem) {
	body := map[string]any{"message": message, "documentation_url": docs + anchor, "status": strconv.Itoa(status)}
	if len(problems) > 0 {
		body["errors"] = problems
	}
	rest.JSON(w, status, body)
}

func unreadable(w http.ResponseWriter) { refuse(w, http.StatusBadRequest, "Problems parsing JSON", "") }

// failed answers for a mistake of the double itself.
func failed(w http.ResponseWriter, err error) {
	refuse(w, http.StatusInternalServerError, "Server Error: "+err.Error(), "")
}

func (d *Double) headers(w http.ResponseWriter, window rest.Window) {
	h := w.Header()
	h.Set("X-GitHub-Request-Id", strings.ToUpper(rand.Text()[:20]))
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("x-github-api-version-selected", "2022-11-28")
	h.Set("x-ratelimit-limit", strconv.Itoa(window.Limit))
	h.Set("x-ratelimit-remaining", strconv.Itoa(window.Remaining))
	h.Set("x-ratelimit-used", strconv.Itoa(window.Limit-window.Remaining))
	h.Set("x-ratelimit-reset", strconv.FormatInt(window.Reset, 10))
	h.Set("x-ratelimit-resource", "core")
}

func (d *Double) rateLimit(w http.ResponseWriter, r *http.Request) {
	get := func(name string) int64 {
		n, _ := strconv.ParseInt(w.Header().Get("x-ratelimit-"+name), 10, 64)
		return n
	}
	core := map[string]any{"limit": get("limit"), "remaining": get("remaining"), "used": get("used"), "reset": get("reset"), "resource": "core"}
	rest.JSON(w, 200, map[string]any{"resources": map[string]any{"core": core}, "rate": core})
}

// Refuse answers with a status in GitHub's error shape.
func (d *Double) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	d.headers(w, d.meter.Use(time.Now()))
	refuse(w, status, http.StatusText(status), "")
}

// Limit answers as GitHub does to a client over its limits: with a Retry-After it is the secondary
// limit, without one the primary limit that resets in a minute. The usual status is 403.
func (d *Double) Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if status == 0 {
		status = http.StatusForbidden
	}
	window := d.meter.Use(time.Now())
	if retryAfter > 0 {
		d.headers(w, window)
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		refuse(w, status, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
			"/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits")
		return
	}
	window.Remaining, window.Reset = 0, time.Now().Add(time.Minute).Unix()
	d.headers(w, window)
	refuse(w, status, "API rate limit exceeded for user ID "+strconv.FormatInt(number("owner", actor), 10)+".",
		"/overview/rate-limits-for-the-rest-api#about-primary-rate-limits")
}

// page cuts a list as per_page and page ask and writes the Link header.
func page[T any](d *Double, w http.ResponseWriter, r *http.Request, all []T) []T {
	per := rest.Int(r, "per_page", 30, 1, 100)
	n := rest.Int(r, "page", 1, 1, 1<<20)
	last := max(1, (len(all)+per-1)/per)
	var links []string
	link := func(rel string, to int) {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(to))
		u := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
		links = append(links, fmt.Sprintf(`<%s%s>; rel="%s"`, d.URL, u.String(), rel))
	}
	if n > 1 {
		link("prev", min(n-1, last))
	}
	if n < last {
		link("next", n+1)
		link("last", last)
	}
	if n > 1 {
		link("first", 1)
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	from := min((n-1)*per, len(all))
	return append([]T{}, all[from:min(from+per, len(all))]...)
}
