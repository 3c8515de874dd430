package servicenow

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

type tableHandler func(w http.ResponseWriter, r *http.Request, name string, t table)

func (d *Double) table(next tableHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("table")
		t, ok := tables[name]
		if !ok {
			refuse(w, http.StatusBadRequest, "Invalid table "+name, "")
			return
		}
		if t.readOnly && r.Method != http.MethodGet {
			refuse(w, http.StatusForbidden, "Operation Failed", "ACL Exception Insert Failed due to security constraints")
			return
		}
		next(w, r, name, t)
	}
}

var errMissing = errors.New("no record")

// incomplete is a data policy that was not met.
type incomplete struct{ columns []string }

func (i incomplete) Error() string {
	return "Data Policy Exception: The following fields are mandatory: " + strings.Join(i.columns, ", ")
}

// input reads a body; numbers and booleans become strings, as in the real service.
func input(w http.ResponseWriter, r *http.Request) (record, bool) {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		refuse(w, http.StatusUnsupportedMediaType, "Unsupported Media Type", "Unsupported content-type: "+ct)
		return nil, false
	}
	var body map[string]any
	if rest.Read(w, r, &body) != nil {
		refuse(w, http.StatusBadRequest, "Exception while reading request", "The payload is not valid JSON")
		return nil, false
	}
	values := record{}
	for k, v := range body {
		switch v := v.(type) {
		case nil:
			values[k] = ""
		case float64:
			values[k] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			values[k] = fmt.Sprint(v)
		}
	}
	return values, true
}

func (d *Double) insert(w http.ResponseWriter, r *http.Request, name string, t table) {
	values, ok := input(w, r)
	if !ok {
		return
	}
	caller, _ := d.caller(r)
	row := record{}
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		now := moment()
		for column, v := range t.initial {
			row[column] = v
		}
		row["sys_id"], row["sys_class_name"], row["opened_at"] = freshID(), name, now
		row["number"] = fmt.Sprintf("%s%07d", t.prefix, 10000+tx.Next(numbersBucket, name))
		row["sys_created_on"], row["sys_created_by"], row["sys_mod_count"] = now, caller, "0"
		row["sys_updated_on"], row["sys_updated_by"] = now, caller
		if err := t.set(tx, name, row, values, caller); err != nil {
			return err
		}
		tx.Put(bucket(name), row["sys_id"], row)
		tx.Effect("servicenow."+name+".created", subject(row))
		return nil
	})
	if refused(w, err) {
		return
	}
	w.Header().Set("Location", d.link(name, row["sys_id"]))
	rest.JSON(w, http.StatusCreated, map[string]any{"result": d.show(r, name, t, row)})
}

// set takes over the client's values, with what the business rules make of them.
func (t table) set(tx *ledger.Tx, name string, row, values record, caller string) error {
	for column, v := range values {
		switch {
		case t.writable(column):
			row[column] = t.value(tx, column, v)
		case slices.Contains(journals, column) && v != "" && t.prefix != "":
			id := freshID()
			tx.Put(bucket("sys_journal_field"), id, record{
				"sys_id": id, "element": column, "element_id": row["sys_id"], "name": name, "value": v,
				"sys_created_on": moment(), "sys_created_by": caller, "sys_mod_count": "0",
			})
		}
	}
	var missing []string
	for _, column := range t.needs[row["state"]] {
		if row[column] == "" {
			missing = append(missing, column)
		}
	}
	if len(missing) > 0 {
		return incomplete{missing}
	}
	closed := slices.Contains(t.closed, row["state"])
	row["active"] = strconv.FormatBool(!closed)
	switch {
	case closed && row["closed_at"] == "":
		row["closed_at"], row["closed_by"] = moment(), t.value(tx, "closed_by", caller)
	case !closed:
		delete(row, "closed_at")
		delete(row, "closed_by")
	}
	return nil
}

// value turns the display value of a reference into its sys_id, if there is such a record.
func (t table) value(tx *ledger.Tx, column, v string) string {
	target := t.references[column]
	if target == "" || v == "" {
		return v
	}
	for _, other := range ledger.All[record](tx, bucket(target), "") {
		if v == other["sys_id"] || v == other["user_name"] || v == other["name"] || v == other["number"] || v == other["email"] && v != "" {
			return other["sys_id"]
		}
	}
	return v
}

// subject names a row in the counts: by the caller's own key if it gave one, so that doubles show up.
func subject(row record) string {
	if row["correlation_id"] != "" {
		return row["correlation_id"]
	}
	return row["number"]
}

func refused(w http.ResponseWriter, err error) bool {
	var policy incomplete
	switch {
	case err == nil:
		return false
	case errors.Is(err, errMissing):
		refuse(w, http.StatusNotFound, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
	case errors.As(err, &policy):
		refuse(w, http.StatusForbidden, "Operation Failed", policy.Error())
	default:
		failed(w, err)
	}
	return true
}

func (d *Double) get(w http.ResponseWriter, r *http.Request, name string, t table) {
	var row record
	err := errMissing
	d.Ledger.View(func(tx *ledger.Tx) {
		if found, ok := ledger.Get[record](tx, bucket(name), r.PathValue("id")); ok {
			row, err = found, nil
		}
	})
	if !refused(w, err) {
		rest.JSON(w, 200, map[string]any{"result": d.show(r, name, t, row)})
	}
}

func (d *Double) update(w http.ResponseWriter, r *http.Request, name string, t table) {
	values, ok := input(w, r)
	if !ok {
		return
	}
	caller, _ := d.caller(r)
	var row record
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		before, ok := ledger.Get[record](tx, bucket(name), r.PathValue("id"))
		if !ok {
			return errMissing
		}
		row, _ = ledger.Get[record](tx, bucket(name), r.PathValue("id"))
		if err := t.set(tx, name, row, values, caller); err != nil {
			return err
		}
		noted := values["work_notes"] != "" || values["comments"] != ""
		if equal(before, row) && !noted {
			return nil
		}
		n, _ := strconv.Atoi(row["sys_mod_count"])
		row["sys_mod_count"], row["sys_updated_on"], row["sys_updated_by"] = strconv.Itoa(n+1), moment(), caller
		tx.Put(bucket(name), row["sys_id"], row)
		tx.Effect("servicenow."+name+".updated", subject(row))
		return nil
	})
	if !refused(w, err) {
		rest.JSON(w, 200, map[string]any{"result": d.show(r, name, t, row)})
	}
}

func equal(a, b record) bool {
	for _, pair := range [][2]record{{a, b}, {b, a}} {
		for k, v := range pair[0] {
			if pair[1][k] != v {
				return false
			}
		}
	}
	return true
}

func (d *Double) remove(w http.ResponseWriter, r *http.Request, name string, t table) {
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		row, ok := ledger.Get[record](tx, bucket(name), r.PathValue("id"))
		if !ok {
			return errMissing
		}
		tx.Delete(bucket(name), row["sys_id"])
		tx.Effect("servicenow."+name+".deleted", subject(row))
		return nil
	})
	if !refused(w, err) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// show writes a row as the sysparm_ parameters ask.
func (d *Double) show(r *http.Request, name string, t table, row record) map[string]any {
	q := r.URL.Query()
	columns := slices.Concat(t.columns, always)
	if t.prefix != "" {
		columns = append(columns, journals...)
	}
	if only := q.Get("sysparm_fields"); only != "" {
		wanted := strings.Split(strings.ReplaceAll(only, " ", ""), ",")
		columns = slices.DeleteFunc(columns, func(c string) bool { return !slices.Contains(wanted, c) })
	}
	links := q.Get("sysparm_exclude_reference_link") != "true"
	out := map[string]any{}
	for _, c := range columns {
		value, shown := row[c], t.display(d.Ledger, c, row[c])
		target := t.references[c]
		switch q.Get("sysparm_display_value") {
		case "true":
			out[c] = shown
			if target != "" && value != "" && links {
				out[c] = map[string]string{"display_value": shown, "link": d.link(target, value)}
			}
		case "all":
			both := map[string]string{"display_value": shown, "value": value}
			if target != "" && value != "" && links {
				both["link"] = d.link(target, value)
			}
			out[c] = both
		default:
			out[c] = value
			if target != "" && value != "" && links {
				out[c] = map[string]string{"link": d.link(target, value), "value": value}
			}
		}
	}
	return out
}

// display is what people see: the label of a choice, the name behind a reference.
func (t table) display(l *ledger.Ledger, column, value string) string {
	if label, ok := t.choices[column][value]; ok {
		return label
	}
	shown := value
	if target := t.references[column]; target != "" && value != "" {
		l.View(func(tx *ledger.Tx) {
			if other, ok := ledger.Get[record](tx, bucket(target), value); ok {
				if shown = other["name"]; shown == "" {
					shown = other["number"]
				}
			}
		})
	}
	return shown
}
