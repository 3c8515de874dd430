package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

const tasks = "/servicenow/api/now/table/sc_task"

func rows(t *testing.T, a answer) []any {
	t.Helper()
	require.Equal(t, 200, a.status, "%s", a.raw)
	return a.json(t)["result"].([]any)
}

func row(t *testing.T, a answer) map[string]any {
	t.Helper()
	return a.json(t)["result"].(map[string]any)
}

func TestServiceNow_TicketLife_AllStringsAndJournals(t *testing.T) {
	t.Parallel()
	b := start(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("gildway:sn-password"))
	made := b.call("POST", tasks, basic, map[string]any{
		"short_description": "Access for rosa", "correlation_id": "run-1/ticket", "assigned_to": "amir", "urgency": 2, "no_such_field": "x", "work_notes": "opened",
	})
	require.Equal(t, 201, made.status)
	ticket := row(t, made)
	require.Equal(t, "SCTASK0010001", ticket["number"])
	require.Equal(t, "1", ticket["state"])
	require.Equal(t, "2", ticket["urgency"])
	require.Equal(t, "true", ticket["active"])
	require.Equal(t, "gildway", ticket["sys_created_by"])
	require.NotContains(t, ticket, "no_such_field")
	require.Contains(t, ticket["assigned_to"], "link")
	at := made.header.Get("Location")
	require.Equal(t, b.url+tasks+"/"+ticket["sys_id"].(string), at)
	path := at[len(b.url):]

	closing := map[string]any{"state": 3, "close_notes": "done", "work_notes": "closed"}
	closed := row(t, b.call("PATCH", path, "Bearer "+tokens.ServiceNow, closing))
	require.Equal(t, "3", closed["state"])
	require.Equal(t, "false", closed["active"])
	require.Equal(t, "1", closed["sys_mod_count"])
	b.call("PATCH", path, basic, map[string]any{"state": "3"}) // nothing new
	require.Equal(t, "1", row(t, b.call("GET", path, basic, nil))["sys_mod_count"])
	require.EqualValues(t, 1, b.did("servicenow.sc_task.created", "run-1/ticket"))
	require.EqualValues(t, 1, b.did("servicenow.sc_task.updated", "run-1/ticket"))

	shown := row(t, b.call("GET", path+"?sysparm_display_value=true&sysparm_exclude_reference_link=true&sysparm_fields=state,assigned_to", basic, nil))
	require.Equal(t, map[string]any{"state": "Closed Complete", "assigned_to": "Amir Haddad"}, shown)
	notes := rows(t, b.call("GET", "/servicenow/api/now/table/sys_journal_field?sysparm_query=element_id="+ticket["sys_id"].(string)+"^element=work_notes", basic, nil))
	require.Len(t, notes, 2)

	require.Equal(t, 204, b.call("DELETE", path, basic, nil).status)
	gone := b.call("GET", path, basic, nil)
	require.Equal(t, 404, gone.status)
	require.Equal(t, "failure", gone.json(t)["status"])
	require.Equal(t, "No Record found", gone.json(t)["error"].(map[string]any)["message"])
}

func TestServiceNow_Query_DropsUnknownFieldsAndPages(t *testing.T) {
	t.Parallel()
	b := start(t)
	bearer := "Bearer " + tokens.ServiceNow
	for i := range 5 {
		require.Equal(t, 201, b.call("POST", tasks, bearer, map[string]any{"correlation_id": fmt.Sprintf("c-%d", i), "priority": fmt.Sprint(i%2 + 1)}).status)
	}
	ask := func(q, more string) answer {
		return b.call("GET", tasks+"?sysparm_query="+url.QueryEscape(q)+more, bearer, nil)
	}
	for q, want := range map[string]int{
		"correlation_id=c-3":                      1,
		"correlation_id!=c-3":                     4,
		"correlation_idINc-1,c-2":                 2,
		"correlation_idSTARTSWITHc-^priority=1":   3,
		"correlation_idLIKE-4^ORpriority=2":       3,
		"corelation_id=c-3":                       5, // misspelt: dropped, so that everything matches
		"corelation_id=c-3^priority=2":            2,
		"correlation_id=c-1^NQcorrelation_id=c-2": 2,
	} {
		require.Len(t, rows(t, ask(q, "")), want, q)
	}
	page := ask("ORDERBYDESCnumber", "&sysparm_limit=2&sysparm_offset=2&sysparm_fields=correlation_id")
	require.Equal(t, []any{map[string]any{"correlation_id": "c-2"}, map[string]any{"correlation_id": "c-1"}}, rows(t, page))
	require.Equal(t, "5", page.header.Get("X-Total-Count"))
	require.Len(t, page.header.Values("Link"), 1)
	require.Contains(t, page.header.Get("Link"), `rel="next"`)
}

func TestServiceNow_Refusals_HaveItsShape(t *testing.T) {
	t.Parallel()
	b := start(t)
	bearer := "Bearer " + tokens.ServiceNow
	for _, authorization := range []string{"", "Bearer wrong", "Basic Z2lsZHdheTp3cm9uZw=="} {
		require.Equal(t, 401, b.call("GET", tasks, authorization, nil).status)
	}
	require.Equal(t, 400, b.call("GET", "/servicenow/api/now/table/nothing", bearer, nil).status)
	incident := b.call("POST", "/servicenow/api/now/table/incident", bearer, map[string]any{"short_description": "x"})
	require.Equal(t, "INC0010001", row(t, incident)["number"])
	refused := b.call("PATCH", incident.header.Get("Location")[len(b.url):], bearer, map[string]any{"state": "6"})
	require.Equal(t, 403, refused.status)
	require.Contains(t, string(refused.raw), "close_code")
}
