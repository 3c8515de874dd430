package okta

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

// page cuts a list after the cursor. Each relation is a Link header line of its own: clients loop on joined ones.
func page[T any](d *Double, w http.ResponseWriter, r *http.Request, all []T, id func(T) string, highest int) []T {
	q := r.URL.Query()
	if after := q.Get("after"); after != "" {
		for i, v := range all {
			if id(v) == after {
				all = all[i+1:]
				break
			}
		}
	}
	limit := rest.Int(r, "limit", highest, 1, highest)
	link := func(rel string, query url.Values) {
		u := d.URL + r.URL.Path
		if len(query) > 0 {
			u += "?" + query.Encode()
		}
		w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="%s"`, u, rel))
	}
	link("self", q)
	if len(all) > limit {
		all = all[:limit]
		q.Set("after", id(all[limit-1]))
		q.Set("limit", strconv.Itoa(limit))
		link("next", q)
	}
	return all
}

var comparison = regexp.MustCompile(`^([A-Za-z.]+) (eq|sw|co) "((?:[^"\\]|\\.)*)"$`)

// condition reads filter and search: comparisons with eq, sw or co, joined by and or by or (not both).
func condition[T any](q url.Values, attribute func(T, string) (string, bool)) (func(T) bool, error) {
	var tests []func(T) bool
	for _, name := range []string{"filter", "search"} {
		text := strings.TrimSpace(q.Get(name))
		if text == "" {
			continue
		}
		all := true
		terms := strings.Split(text, " and ")
		if len(terms) == 1 {
			if terms = strings.Split(text, " or "); len(terms) > 1 {
				all = false
			}
		}
		var parts []func(T) bool
		for _, term := range terms {
			m := comparison.FindStringSubmatch(strings.Trim(strings.TrimSpace(term), "()"))
			var zero T
			if m == nil {
				return nil, errors.New("Invalid filter '" + text + "': Unrecognized expression")
			}
			if _, ok := attribute(zero, m[1]); !ok {
				return nil, errors.New("Invalid filter '" + text + "': Unsupported attribute " + m[1])
			}
			value := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(m[3])
			parts = append(parts, func(v T) bool {
				s, _ := attribute(v, m[1])
				switch m[2] {
				case "eq":
					return s == value || m[1] != "id" && strings.EqualFold(s, value)
				case "sw":
					return strings.HasPrefix(strings.ToLower(s), strings.ToLower(value))
				default:
					return strings.Contains(strings.ToLower(s), strings.ToLower(value))
				}
			})
		}
		tests = append(tests, func(v T) bool {
			for _, p := range parts {
				if p(v) != all {
					return !all
				}
			}
			return all
		})
	}
	return func(v T) bool {
		for _, t := range tests {
			if !t(v) {
				return false
			}
		}
		return true
	}, nil
}
