package run

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// mask stands where a secret would.
const mask = "***"

// redactor replaces secrets, in whatever form they come, in what a call says and gives.
type redactor struct{ values map[string]bool }

// add hides a secret: as it is, by its lines, and as URLs, headers and JSON carry it. By Backstage's rule
// one that is a single character is none.
func (r *redactor) add(secret string) {
	secret = strings.TrimSpace(secret)
	r.derived(secret)
	for line := range strings.Lines(secret) {
		r.derived(line)
	}
	if len(secret) > 1 {
		for _, form := range encoded(secret) {
			r.derived(form)
		}
	}
}

// derived hides a text that was made with a secret.
func (r *redactor) derived(text string) {
	text = strings.TrimSpace(text)
	if len(text) < 2 {
		return
	}
	if r.values == nil {
		r.values = map[string]bool{}
	}
	r.values[text] = true
	if raw, err := expr.ToJSON(text); err == nil {
		r.values[string(raw[1:len(raw)-1])] = true
	}
	if raw, err := json.Marshal(text); err == nil { // escapes <, > and & too
		r.values[string(raw[1:len(raw)-1])] = true
	}
}

// differences hides the texts of a value that are others without secrets.
func (r *redactor) differences(with, without any) {
	switch with := with.(type) {
	case string:
		if with != without {
			r.derived(with)
		}
	case []any:
		other, _ := without.([]any)
		for i, part := range with {
			if i < len(other) {
				r.differences(part, other[i])
			} else {
				r.differences(part, expr.Undefined)
			}
		}
	case *expr.Object:
		other, ok := without.(*expr.Object)
		if !ok {
			other = &expr.Object{}
		}
		for key, part := range with.All() {
			so, there := other.Get(key)
			if !there {
				so = expr.Undefined
				r.derived(key)
			}
			r.differences(part, so)
		}
	}
}

// shortestPart is the least of a secret inside other base64 text that is taken for the secret.
const shortestPart = 6

// encoded gives what a secret looks like encoded, by itself or within something longer.
func encoded(secret string) []string {
	forms := []string{url.QueryEscape(secret), url.PathEscape(secret), strings.ReplaceAll(url.QueryEscape(secret), "+", "%20")}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, enc.EncodeToString([]byte(secret)))
		// Base64 takes three bytes at a time: what stands before the secret moves it, and its neighbours share its ends.
		for before := range 3 {
			text := enc.EncodeToString(append(make([]byte, before), secret...))
			from, to := (before*8+5)/6, (before+len(secret))*8/6
			if part := text[from:max(from, to)]; len(part) >= shortestPart {
				forms = append(forms, part)
			}
		}
	}
	return forms
}

// knows reports whether there is anything to hide.
func (r *redactor) knows() bool { return len(r.values) > 0 }

// text masks every secret in a text; those that overlap vanish together.
func (r *redactor) text(s string) string {
	type span struct{ from, to int }
	var found []span
	for value := range r.values {
		for at := 0; ; at++ {
			next := strings.Index(s[at:], value)
			if next < 0 {
				break
			}
			at += next
			found = append(found, span{at, at + len(value)})
		}
	}
	if len(found) == 0 {
		return s
	}
	slices.SortFunc(found, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	var b strings.Builder
	end := 0
	for i, f := range found {
		if i == 0 || f.from >= end {
			b.WriteString(s[end:f.from])
			b.WriteString(mask)
		}
		end = max(end, f.to)
	}
	b.WriteString(s[end:])
	return b.String()
}

// json hides secrets in an output: it is going to stand in history.
func (r *redactor) json(raw json.RawMessage) (json.RawMessage, error) {
	if !r.knows() || len(raw) == 0 {
		return raw, nil
	}
	tree, err := expr.FromJSON(raw)
	if err == nil {
		raw, err = expr.ToJSON(r.tree(tree))
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the output can't be searched for secrets")
	}
	return raw, nil
}

func (r *redactor) tree(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case float64:
		if r.values[expr.ToString(v)] {
			return mask
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = r.tree(item)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for key, item := range v.All() {
			out.Set(r.text(key), r.tree(item))
		}
		return out
	}
	return v
}

// error hides secrets in what a fault says and in its cause, which is going to be logged.
func (r *redactor) error(err error) error {
	if !r.knows() || err == nil {
		return err
	}
	f := *fault.From(err)
	f.Public = r.text(f.Public)
	f.Problems = slices.Clone(f.Problems)
	for i := range f.Problems {
		p := &f.Problems[i]
		p.Path, p.Says, p.Try = r.text(p.Path), r.text(p.Says), r.text(p.Try)
	}
	if f.Cause != nil {
		f.Cause = hidden{text: r.text(f.Cause.Error()), err: f.Cause}
	}
	return &f
}

// hidden is a cause whose text has no secrets.
type hidden struct {
	text string
	err  error
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.err }
