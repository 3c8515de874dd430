package servicenow

import "slices"

// record is a row: every value is a string.
type record map[string]string

// table is what the instance knows of one.
type table struct {
	prefix     string // of numbers; none means the table has none
	columns    []string
	references map[string]string            // column → table
	initial    record                       // values of a new row
	choices    map[string]map[string]string // column → value → what people see
	closed     []string                     // states in which a row is no longer active
	needs      map[string][]string          // state → columns that must then be filled
	readOnly   bool
}

var always = []string{"sys_id", "sys_created_on", "sys_created_by", "sys_updated_on", "sys_updated_by", "sys_mod_count"}

var taskColumns = []string{
	"number", "short_description", "description", "state", "active", "priority", "urgency", "impact", "assigned_to", "assignment_group",
	"opened_at", "opened_by", "closed_at", "closed_by", "close_notes", "correlation_id", "correlation_display", "approval",
	"parent", "due_date", "work_start", "work_end", "contact_type", "company", "cmdb_ci", "sys_class_name",
}

// journals are columns that are written to and never replaced: each value becomes a row of sys_journal_field.
var journals = []string{"work_notes", "comments"}

var taskReferences = map[string]string{
	"assigned_to": "sys_user", "opened_by": "sys_user", "closed_by": "sys_user", "assignment_group": "sys_user_group",
	"requested_for": "sys_user", "caller_id": "sys_user", "request": "sc_request", "request_item": "sc_req_item", "parent": "task",
}

var catalogStates = map[string]string{
	"-5": "Pending", "1": "Open", "2": "Work in Progress", "3": "Closed Complete", "4": "Closed Incomplete", "7": "Closed Skipped",
}

var priorities = map[string]string{"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low", "5": "5 - Planning"}

func taskTable(prefix string, states map[string]string, closed []string, more ...string) table {
	return table{
		prefix: prefix, columns: slices.Concat(taskColumns, more), references: taskReferences, closed: closed,
		initial: record{"state": "1", "priority": "4", "urgency": "3", "impact": "3", "active": "true", "approval": "not requested"},
		choices: map[string]map[string]string{"state": states, "priority": priorities},
	}
}

var tables = func() map[string]table {
	catalogClosed := []string{"3", "4", "7"}
	t := map[string]table{
		"sc_task":     taskTable("SCTASK", catalogStates, catalogClosed, "request", "request_item", "requested_for", "sc_catalog"),
		"sc_req_item": taskTable("RITM", catalogStates, catalogClosed, "request", "cat_item", "requested_for", "quantity", "stage", "price"),
		"sc_request":  taskTable("REQ", catalogStates, catalogClosed, "requested_for", "request_state", "stage", "price"),
		"incident": taskTable("INC", map[string]string{
			"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled",
		}, []string{"7", "8"}, "caller_id", "category", "subcategory", "close_code", "resolved_at", "resolved_by", "severity", "hold_reason", "incident_state"),
		"sys_user":          {columns: []string{"user_name", "name", "email", "active"}, readOnly: true},
		"sys_user_group":    {columns: []string{"name", "active"}, readOnly: true},
		"sys_journal_field": {columns: []string{"element", "element_id", "name", "value"}, readOnly: true},
	}
	incident := t["incident"]
	incident.needs = map[string][]string{"6": {"close_code", "close_notes"}, "7": {"close_code", "close_notes"}}
	t["incident"] = incident
	return t
}()

func (t table) has(column string) bool {
	return slices.Contains(t.columns, column) || slices.Contains(always, column)
}

// writable says whether a client's value for the column is taken; ServiceNow drops the others without a word.
func (t table) writable(column string) bool {
	return slices.Contains(t.columns, column) && column != "number" && column != "sys_class_name"
}
