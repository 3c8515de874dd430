package catalog

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// rows flattens an entity into what filters look at.
func rows(entity map[string]any) map[string][]string {
	out := map[string][]string{}
	add := func(key, value string) {
		key = strings.ToLower(key)
		out[key] = append(out[key], strings.ToLower(value))
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, item := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), item)
			}
		case []any:
			for _, item := range v {
				walk(path, item)
				if s, ok := item.(string); ok {
					add(path+"."+s, "true")
				}
			}
		case nil:
		default:
			add(path, plain(v))
		}
	}
	for k, v := range entity {
		if k != "relations" {
			walk(k, v)
		}
	}
	for _, item := range entity["relations"].([]any) {
		rel := item.(map[string]any)
		add("relations."+text(rel, "type"), text(rel, "targetRef"))
	}
	return out
}

// plain writes a scalar as people do: one million is 1000000.
func plain(v any) string {
	if n, ok := v.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// filter is one filter parameter: conditions joined by and; values of the same key joined by or.
type filter map[string][]string // no values: the key must exist

func parseFilters(params []string) []filter {
	var all []filter
	for _, p := range params {
		f := filter{}
		for part := range strings.SplitSeq(p, ",") {
			key, value, hasValue := strings.Cut(strings.TrimSpace(part), "=")
			key = strings.ToLower(strings.TrimSpace(key))
			if key == "" {
				continue
			}
			if _, seen := f[key]; !seen {
				f[key] = nil
			}
			if hasValue {
				f[key] = append(f[key], strings.ToLower(strings.TrimSpace(value)))
			}
		}
		if len(f) > 0 {
			all = append(all, f)
		}
	}
	return all
}

func matches(filters []filter, v *shown) bool {
	return len(filters) == 0 || slices.ContainsFunc(filters, func(f filter) bool {
		for key, values := range f {
			have, ok := v.rows[key]
			if !ok || len(values) > 0 && !slices.ContainsFunc(values, func(want string) bool { return slices.Contains(have, want) }) {
				return false
			}
		}
		return true
	})
}

// predicate evaluates the query language of POST by-query: $all, $any, $not, and field: value,
// {$in: […]} or {$exists: bool}.
func predicate(query any, v *shown) (bool, error) {
	m, ok := query.(map[string]any)
	if !ok {
		return false, errors.New("query must be an object")
	}
	for key, cond := range m {
		var fits bool
		var err error
		switch key {
		case "$all", "$any":
			list, _ := cond.([]any)
			fits = key == "$all"
			for _, item := range list {
				one, wrong := predicate(item, v)
				if wrong != nil {
					return false, wrong
				}
				if one != (key == "$all") {
					fits = one
					break
				}
			}
		case "$not":
			fits, err = predicate(cond, v)
			fits = !fits
		default:
			fits, err = field(v.rows[strings.ToLower(key)], cond)
		}
		if err != nil || !fits {
			return false, err
		}
	}
	return true, nil
}

func field(have []string, cond any) (bool, error) {
	has := func(want any) bool { return slices.Contains(have, strings.ToLower(plain(want))) }
	switch c := cond.(type) {
	case map[string]any:
		if exists, ok := c["$exists"].(bool); ok {
			return exists == (len(have) > 0), nil
		}
		if list, ok := c["$in"].([]any); ok {
			return slices.ContainsFunc(list, has), nil
		}
		return false, errors.New("unknown operator in query")
	default:
		return has(c), nil
	}
}

// problem is an error in Backstage's own words.
type problem string

func (p problem) Error() string { return string(p) }

// question is everything a query asks; it is also what a cursor remembers.
type question struct {
	Filter     []string `json:"filter,omitempty"`
	Query      any      `json:"query,omitempty"`
	Order      []order  `json:"orderFields,omitempty"`
	Term       string   `json:"term,omitempty"`
	TermFields []string `json:"termFields,omitempty"`
	Offset     int      `json:"offset"`
	Limit      int      `json:"limit"`
}

type order struct {
	Field string `json:"field"`
	Order string `json:"order"`
}

func (q question) cursor(offset int) string {
	q.Offset = offset
	raw, _ := json.Marshal(q)
	return base64.StdEncoding.EncodeToString(raw)
}

func parseCursor(text string) (q question, err error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &q)
	}
	if err != nil || q.Offset < 0 {
		return q, problem(fmt.Sprintf("Malformed cursor: %v", err))
	}
	return q, nil
}

func parseOrder(params []string) ([]order, error) {
	var all []order
	for _, p := range params {
		field, direction, given := strings.Cut(p, ",")
		if given && direction != "asc" && direction != "desc" {
			return nil, problem("Invalid order field order, must be asc or desc")
		}
		all = append(all, order{field, direction})
	}
	return all, nil
}

// find answers everything that fits, in order.
func (s *snapshot) find(q question) ([]*shown, error) {
	filters := parseFilters(q.Filter)
	var found []*shown
	for _, v := range s.list {
		fits := matches(filters, v) && v.mentions(q.Term, q.TermFields)
		if fits && q.Query != nil {
			var err error
			if fits, err = predicate(q.Query, v); err != nil {
				return nil, err
			}
		}
		if fits {
			found = append(found, v)
		}
	}
	sortBy(found, q.Order)
	return found, nil
}

func (v *shown) mentions(term string, fields []string) bool {
	if term = strings.ToLower(strings.TrimSpace(term)); term == "" {
		return true
	}
	for key, values := range v.rows {
		if len(fields) > 0 && !slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, key) }) {
			continue
		}
		if slices.ContainsFunc(values, func(s string) bool { return strings.Contains(s, term) }) {
			return true
		}
	}
	return false
}

// sortBy puts what lacks the field last.
func sortBy(list []*shown, by []order) {
	sort.SliceStable(list, func(i, j int) bool {
		for _, o := range by {
			a, b := list[i].rows[strings.ToLower(o.Field)], list[j].rows[strings.ToLower(o.Field)]
			switch {
			case len(a) == 0 && len(b) == 0:
				continue
			case len(a) == 0 || len(b) == 0:
				return len(b) == 0
			case a[0] != b[0]:
				return (a[0] < b[0]) == (o.Order != "desc")
			}
		}
		return false
	})
}

// pick keeps only the named fields of an entity. Keys may contain dots, as those of annotations do.
func pick(entity map[string]any, fields []string) map[string]any {
	if len(fields) == 0 {
		return entity
	}
	out := map[string]any{}
	for _, f := range fields {
		pickInto(out, entity, f)
	}
	return out
}

func pickInto(out, from map[string]any, path string) {
	for key, v := range from {
		if key == path {
			out[key] = v
			continue
		}
		rest, ok := strings.CutPrefix(path, key+".")
		inner, isMap := v.(map[string]any)
		if !ok || !isMap {
			continue
		}
		sub, _ := out[key].(map[string]any)
		if sub == nil {
			sub = map[string]any{}
		}
		if pickInto(sub, inner, rest); len(sub) > 0 {
			out[key] = sub
		}
	}
}

// list reads a parameter that may be repeated and may hold commas.
func list(params []string) []string {
	var all []string
	for _, p := range params {
		for s := range strings.SplitSeq(p, ",") {
			if s = strings.TrimSpace(s); s != "" {
				all = append(all, s)
			}
		}
	}
	return all
}

func number(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errors.New("must be a number from 0 up")
	}
	return n, nil
}
