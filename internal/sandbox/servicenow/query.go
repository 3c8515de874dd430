package servicenow

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// query is an encoded query: conditions joined by ^ (and), with alternatives after ^OR and whole new
// ones after ^NQ.
type query struct {
	alternatives [][]condition // ^NQ → list of conditions that must all hold
	order        []sorting
}

type condition []test // joined by ^OR

type test struct{ column, operator, value string }

type sorting struct {
	column string
	down   bool
}

// operators, the longer before the shorter that they contain.
var operators = []string{"ISNOTEMPTY", "ISEMPTY", "STARTSWITH", "ENDSWITH", "NOT IN", "NOT LIKE", "LIKE", "CONTAINS", "IN", "!=", ">=", "<=", "=", ">", "<"}

// parse reads an encoded query. What names an unknown column is dropped, as ServiceNow does unless told otherwise.
func (t table) parse(text string) query {
	q := query{}
	var and []condition
	for part := range strings.SplitSeq(text, "^") {
		if column, ok := strings.CutPrefix(part, "ORDERBYDESC"); ok {
			q.sortBy(t, column, true)
			continue
		}
		if column, ok := strings.CutPrefix(part, "ORDERBY"); ok {
			q.sortBy(t, column, false)
			continue
		}
		if next, ok := strings.CutPrefix(part, "NQ"); ok && strings.ContainsAny(next, "=!<>") {
			q.alternatives = append(q.alternatives, and)
			and, part = nil, next
		}
		alternative := false
		if next, ok := strings.CutPrefix(part, "OR"); ok && len(and) > 0 {
			alternative, part = true, next
		}
		one, ok := split(part)
		if !ok || !t.has(one.column) {
			continue
		}
		if alternative {
			and[len(and)-1] = append(and[len(and)-1], one)
		} else {
			and = append(and, condition{one})
		}
	}
	q.alternatives = append(q.alternatives, and)
	return q
}

func (q *query) sortBy(t table, column string, down bool) {
	if t.has(column) {
		q.order = append(q.order, sorting{column, down})
	}
}

// split finds the operator right after the column's name, which is all lower case.
func split(part string) (test, bool) {
	end := strings.IndexFunc(part, func(r rune) bool { return r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if end <= 0 {
		return test{}, false
	}
	for _, op := range operators {
		if value, ok := strings.CutPrefix(part[end:], op); ok {
			return test{part[:end], op, value}, true
		}
	}
	return test{}, false
}

func (one test) holds(row record) bool {
	have, want := row[one.column], one.value
	low, lowWant := strings.ToLower(have), strings.ToLower(want)
	switch one.operator {
	case "=":
		return low == lowWant
	case "!=":
		return low != lowWant
	case "IN":
		return slices.Contains(strings.Split(want, ","), have)
	case "NOT IN":
		return !slices.Contains(strings.Split(want, ","), have)
	case "STARTSWITH":
		return strings.HasPrefix(low, lowWant)
	case "ENDSWITH":
		return strings.HasSuffix(low, lowWant)
	case "LIKE", "CONTAINS":
		return strings.Contains(low, lowWant)
	case "NOT LIKE":
		return !strings.Contains(low, lowWant)
	case "ISEMPTY":
		return have == ""
	case "ISNOTEMPTY":
		return have != ""
	case ">":
		return have > want
	case ">=":
		return have >= want
	case "<":
		return have < want
	default:
		return have <= want
	}
}

func (q query) holds(row record) bool {
	return slices.ContainsFunc(q.alternatives, func(all []condition) bool {
		for _, c := range all {
			if !slices.ContainsFunc(c, func(one test) bool { return one.holds(row) }) {
				return false
			}
		}
		return true
	})
}

func (d *Double) list(w http.ResponseWriter, r *http.Request, name string, t table) {
	p := r.URL.Query()
	q := t.parse(p.Get("sysparm_query"))
	for column, values := range p {
		if !strings.HasPrefix(column, "sysparm_") && t.has(column) {
			for i := range q.alternatives {
				q.alternatives[i] = append(q.alternatives[i], condition{{column, "=", values[0]}})
			}
		}
	}
	var rows []record
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, row := range ledger.All[record](tx, bucket(name), "") {
			if q.holds(row) {
				rows = append(rows, row)
			}
		}
	})
	sort.SliceStable(rows, func(i, j int) bool {
		for _, o := range q.order {
			if a, b := rows[i][o.column], rows[j][o.column]; a != b {
				return (a < b) != o.down
			}
		}
		return false
	})
	limit := rest.Int(r, "sysparm_limit", 10000, 1, 10000)
	offset := rest.Int(r, "sysparm_offset", 0, 0, 1<<30)
	w.Header().Set("X-Total-Count", strconv.Itoa(len(rows)))
	d.links(w, r, limit, offset, len(rows))
	from := min(offset, len(rows))
	result := []any{}
	for _, row := range rows[from:min(from+limit, len(rows))] {
		result = append(result, d.show(r, name, t, row))
	}
	rest.JSON(w, 200, map[string]any{"result": result})
}

// links writes all relations into one Link line, as ServiceNow does.
func (d *Double) links(w http.ResponseWriter, r *http.Request, limit, offset, total int) {
	var all []string
	add := func(rel string, to int) {
		q := r.URL.Query()
		q.Set("sysparm_limit", strconv.Itoa(limit))
		q.Set("sysparm_offset", strconv.Itoa(to))
		u := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
		all = append(all, fmt.Sprintf(`<%s%s>;rel="%s"`, d.URL, u.String(), rel))
	}
	last := max(0, (total-1)/limit*limit)
	add("first", 0)
	if offset > 0 {
		add("prev", max(0, offset-limit))
	}
	if offset+limit < total {
		add("next", offset+limit)
	}
	add("last", last)
	w.Header().Set("Link", strings.Join(all, ","))
}
