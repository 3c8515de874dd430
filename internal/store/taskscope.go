package store

import (
	"strconv"
	"strings"
)

// TaskScope is a set of tasks: those for which all that is given holds. The zero value is all of them.
type TaskScope struct {
	Templates []string   // refs; * stands for any characters
	Owners    [][]string // the template's owner is in each of the lists
	Tags      []string   // the template has one of them
	CreatedBy string
	Approvers []string // a gate names one of them, or lets them decide in somebody's place
	NotBy     string   // whoever did not create it
}

// where is a condition that grows, with its arguments.
type where struct {
	terms []string
	args  []any
}

// and adds a condition with one argument, which stands for "?". Without values it is none.
func (w *where) and(condition string, values []string) {
	if len(values) > 0 {
		w.terms = append(w.terms, w.with(condition, values))
	}
}

func (w *where) with(condition string, arg any) string {
	w.args = append(w.args, arg)
	return strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(w.args)))
}

func (w *where) text() string {
	if len(w.terms) == 0 {
		return "true"
	}
	return strings.Join(w.terms, " and ")
}

// within limits to the union of the scopes: nothing if there is none.
func (w *where) within(scopes []TaskScope) {
	union := make([]string, 0, len(scopes)+1)
	for _, s := range scopes {
		one := where{args: w.args}
		one.and("template_ref like any(?)", likes(s.Templates))
		for _, owners := range s.Owners {
			one.and("owner = any(?)", owners)
		}
		one.and("tags && ?", s.Tags)
		one.and("id = any(array(select task from approvals where approvers && ? union select task from approvals where id in ("+delegatedTo("gate", "?")+")))",
			s.Approvers) // read once, so that indexes serve the union
		if s.CreatedBy != "" {
			one.terms = append(one.terms, one.with("created_by = ?", s.CreatedBy))
		}
		if s.NotBy != "" {
			one.terms = append(one.terms, one.with("created_by <> ?", s.NotBy))
		}
		w.args = one.args
		union = append(union, one.text())
	}
	w.terms = append(w.terms, "("+strings.Join(append(union, "false"), " or ")+")")
}

// likes turns patterns into those of LIKE, in which nothing but * is special before.
func likes(patterns []string) []string {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`)
	likes := make([]string, len(patterns))
	for i, p := range patterns {
		likes[i] = escape.Replace(p)
	}
	return likes
}
