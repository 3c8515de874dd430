package catalog

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

func pathRef(r *http.Request) ref {
	return ref{strings.ToLower(r.PathValue("kind")), strings.ToLower(r.PathValue("namespace")), strings.ToLower(r.PathValue("name"))}
}

func (d *Double) entityByName(w http.ResponseWriter, r *http.Request) {
	v, ok := d.current().byRef[pathRef(r).String()]
	if !ok {
		refuse(w, r, "NotFoundError", fmt.Sprintf("No entity named '%s' found, with kind '%s' in namespace '%s'",
			r.PathValue("name"), r.PathValue("kind"), r.PathValue("namespace")))
		return
	}
	rest.JSON(w, 200, v.entity)
}

func (s *snapshot) byUID(uid string) (*shown, bool) {
	for _, v := range s.list {
		if v.uid == uid {
			return v, true
		}
	}
	return nil, false
}

func (d *Double) entityByUID(w http.ResponseWriter, r *http.Request) {
	v, ok := d.current().byUID(r.PathValue("uid"))
	if !ok {
		refuse(w, r, "NotFoundError", "No entity with uid "+r.PathValue("uid"))
		return
	}
	rest.JSON(w, 200, v.entity)
}

func (d *Double) deleteEntity(w http.ResponseWriter, r *http.Request) {
	uid := r.PathValue("uid")
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		removeEntities(tx, func(_ string, r record) bool { return r.UID == uid })
		return nil
	})
	if err != nil {
		refuse(w, r, "Error", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *Double) entitiesByRefs(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, "entityRefs")
	if !ok {
		return
	}
	s, filters, fields := d.current(), parseFilters(r.URL.Query()["filter"]), texts(b, "fields")
	items := []any{}
	for _, name := range texts(b, "entityRefs") {
		var item any
		if ref, err := parseRef(name, "", "default"); err == nil {
			if v, ok := s.byRef[ref.String()]; ok && matches(filters, v) {
				item = pick(v.entity, fields)
			}
		}
		items = append(items, item)
	}
	rest.JSON(w, 200, map[string]any{"items": items})
}

// ask reads a question from the query string, or from the body of a POST.
func ask(w http.ResponseWriter, r *http.Request) (q question, fields []string, err error) {
	p := r.URL.Query()
	if r.Method == http.MethodPost {
		b, ok := body(w, r)
		if !ok {
			return q, nil, errAnswered
		}
		p = url.Values{"fields": texts(b, "fields"), "cursor": texts(b, "cursor")}
		for _, name := range []string{"limit", "offset"} {
			if n, ok := b[name].(float64); ok {
				p.Set(name, fmt.Sprint(int(n)))
			}
		}
		q.Query = b["query"]
		orders, _ := b["orderBy"].([]any)
		for _, o := range orders {
			m, _ := o.(map[string]any)
			p.Add("orderField", text(m, "field")+","+text(m, "order"))
		}
		full := object(b, "fullTextFilter")
		p.Set("fullTextFilterTerm", text(full, "term"))
		p["fullTextFilterFields"] = texts(full, "fields")
	}
	query := q.Query
	if c := p.Get("cursor"); c != "" {
		if q, err = parseCursor(c); err != nil {
			return q, nil, err
		}
	} else {
		q = question{Filter: p["filter"], Query: query, Term: p.Get("fullTextFilterTerm"), TermFields: list(p["fullTextFilterFields"])}
		if q.Order, err = parseOrder(p["orderField"]); err != nil {
			return q, nil, err
		}
		if q.Offset, err = number(p.Get("offset"), 0); err != nil {
			return q, nil, fmt.Errorf("offset %w", err)
		}
		q.Limit = 20
	}
	if q.Limit, err = number(p.Get("limit"), q.Limit); err != nil {
		return q, nil, fmt.Errorf("limit %w", err)
	}
	return q, list(p["fields"]), nil
}

var errAnswered = errors.New("already answered")

func (d *Double) entitiesByQuery(w http.ResponseWriter, r *http.Request) {
	q, fields, err := ask(w, r)
	if err == errAnswered {
		return
	}
	var found []*shown
	if err == nil {
		found, err = d.current().find(q)
	}
	if err != nil {
		refuse(w, r, "InputError", err.Error())
		return
	}
	from := min(q.Offset, len(found))
	to := min(from+q.Limit, len(found))
	pageInfo := map[string]string{}
	if to < len(found) && q.Limit > 0 {
		pageInfo["nextCursor"] = q.cursor(to)
	}
	if from > 0 && q.Limit > 0 {
		pageInfo["prevCursor"] = q.cursor(max(0, from-q.Limit))
	}
	items := []any{}
	for _, v := range found[from:to] {
		items = append(items, pick(v.entity, fields))
	}
	rest.JSON(w, 200, map[string]any{"items": items, "totalItems": len(found), "pageInfo": pageInfo})
}

func (d *Double) listEntities(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Query()
	q := question{Filter: p["filter"]}
	for _, o := range p["order"] {
		direction, field, ok := strings.Cut(o, ":")
		if !ok || direction != "asc" && direction != "desc" {
			refuse(w, r, "InputError", "Invalid order parameter "+o+", no order given")
			return
		}
		q.Order = append(q.Order, order{field, direction})
	}
	found, err := d.current().find(q)
	offset, badOffset := number(p.Get("offset"), 0)
	limit, badLimit := number(p.Get("limit"), len(found))
	if after := p.Get("after"); after != "" {
		var at struct{ Limit, Offset int }
		raw, badBase := base64.StdEncoding.DecodeString(after)
		if badBase != nil || json.Unmarshal(raw, &at) != nil || at.Offset < 0 || at.Limit < 0 {
			refuse(w, r, "InputError", "Malformed after cursor, could not be parsed")
			return
		}
		offset = at.Offset
		if p.Get("limit") == "" {
			limit = at.Limit
		}
	}
	for _, wrong := range []error{err, badOffset, badLimit} {
		if wrong != nil {
			refuse(w, r, "InputError", wrong.Error())
			return
		}
	}
	from := min(offset, len(found))
	to := min(from+limit, len(found))
	if to < len(found) {
		raw, _ := json.Marshal(struct {
			Limit  int `json:"limit"`
			Offset int `json:"offset"`
		}{limit, to})
		p.Del("offset")
		p.Set("after", base64.StdEncoding.EncodeToString(raw))
		w.Header().Set("Link", `</entities?`+p.Encode()+`>; rel="next"`)
	}
	items := []any{}
	for _, v := range found[from:to] {
		items = append(items, pick(v.entity, list(p["fields"])))
	}
	rest.JSON(w, 200, items)
}

func (d *Double) facets(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Query()
	if len(p["facet"]) == 0 {
		refuse(w, r, "InputError", "request/query must have required property 'facet'")
		return
	}
	found, err := d.current().find(question{Filter: p["filter"]})
	if err != nil {
		refuse(w, r, "InputError", err.Error())
		return
	}
	type count struct {
		Value string `json:"value"`
		Count int    `json:"count"`
	}
	answer := map[string][]count{}
	for _, facet := range p["facet"] {
		counts := map[string]int{}
		for _, v := range found {
			for _, value := range values(v.entity, facet) {
				counts[value]++
			}
		}
		list := []count{}
		for value, n := range counts {
			list = append(list, count{value, n})
		}
		sort.Slice(list, func(i, j int) bool { return list[i].Value < list[j].Value })
		answer[facet] = list
	}
	rest.JSON(w, 200, map[string]any{"facets": answer})
}

// values reads a field in its original case.
func values(entity map[string]any, path string) []string {
	if kind, ok := strings.CutPrefix(path, "relations."); ok {
		var refs []string
		for _, item := range entity["relations"].([]any) {
			if rel := item.(map[string]any); strings.EqualFold(text(rel, "type"), kind) {
				refs = append(refs, text(rel, "targetRef"))
			}
		}
		return refs
	}
	var v any = pick(entity, []string{path})
	for {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			break
		}
		for _, inner := range m {
			v = inner
		}
	}
	switch v := v.(type) {
	case []any:
		return texts(map[string]any{"v": v}, "v")
	case map[string]any, nil:
		return nil
	default:
		return []string{plain(v)}
	}
}

func (d *Double) validateEntity(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, "location", "entity")
	if !ok {
		return
	}
	bad := func(f *fault) {
		entry := map[string]any{"name": f.name, "message": f.message}
		if f.cause != nil {
			entry["cause"] = map[string]any{"name": f.cause.name, "message": f.cause.message}
		}
		rest.JSON(w, http.StatusBadRequest, map[string]any{"errors": []any{entry}})
	}
	where := text(b, "location")
	if kind, target, ok := strings.Cut(where, ":"); !ok || kind == "" || target == "" {
		bad(&fault{name: "TypeError", message: "Unable to parse location ref '" + where + "', expected '<type>:<target>', e.g. 'url:https://host/path'"})
		return
	}
	if err := check(object(b, "entity")); err != nil {
		bad(asFault(err))
		return
	}
	w.WriteHeader(http.StatusOK)
}
