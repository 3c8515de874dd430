package itsm_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/itsm"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

const title = "Access to the LLM gateway"

// office is a desk beside its double.
type office struct {
	*exercise.Providers
	t            *testing.T
	open, update activities.Action
}

func newOffice(t *testing.T) office {
	p := exercise.StartProviders(t)
	people := catalog.New(catalog.Config{URL: p.Endpoint("catalog"), Token: secrets.New(exercise.Tokens.Catalog)})
	desk := itsm.New(itsm.Config{URL: p.Endpoint("servicenow"), Username: exercise.Tokens.ServiceNowUser,
		Password: secrets.New(exercise.Tokens.ServiceNowPassword)}, people)
	all := desk.Actions()
	return office{p, t, all[0], all[1]}
}

func (o office) rows(table string) []map[string]string {
	var answer struct {
		Result []map[string]string `json:"result"`
	}
	o.Call(http.MethodGet, o.Endpoint("servicenow")+"/api/now/table/"+table+"?sysparm_exclude_reference_link=true",
		"Bearer "+exercise.Tokens.ServiceNow, nil, &answer)
	return answer.Result
}

func (o office) plant(values map[string]string) string {
	var answer struct {
		Result struct {
			SysID string `json:"sys_id"`
		} `json:"result"`
	}
	require.Equal(o.t, http.StatusCreated, o.Call(http.MethodPost, o.Endpoint("servicenow")+"/api/now/table/sc_task",
		"Bearer "+exercise.Tokens.ServiceNow, values, &answer))
	return answer.Result.SysID
}

func (o office) state(correlationDisplay string) (states []string) {
	for _, r := range o.rows("sc_task") {
		if r["correlation_display"] == correlationDisplay {
			states = append(states, r["state"])
		}
	}
	return states
}

func (o office) notes() (notes []string) {
	for _, r := range o.rows("sys_journal_field") {
		if r["element"] == "work_notes" {
			notes = append(notes, r["value"])
		}
	}
	return notes
}

func TestOpen_Exercise(t *testing.T) {
	t.Parallel()
	exercise.Exercise(t, func(t *testing.T) exercise.Subject {
		o := newOffice(t)
		return exercise.Subject{
			Action: o.open,
			Input:  map[string]any{"title": title, "description": "Summaries"},
			Made:   func() int64 { return o.Did("servicenow.sc_task.created", "") },
			There: func() bool {
				return slices.Contains(o.state("Gildway"), "1")
			},
			LoseAnswer: func() { o.Lose("servicenow", "POST", "/api/now/table/sc_task") },
			Throttle:   o.Throttle("servicenow"),
			Secrets: func() []string {
				return []string{exercise.Tokens.ServiceNowPassword, exercise.Tokens.ServiceNow, exercise.Tokens.Catalog}
			},
			Twin: exercise.Twin{
				Meeting: exercise.Ignores,
				Plant: func() {
					o.plant(map[string]string{"short_description": title, "correlation_id": "somebody-else", "correlation_display": "Other"})
				},
				Untouched: func() bool { s := o.state("Other"); return len(s) == 1 && s[0] == "1" },
			},
		}
	})
}

func do(t *testing.T, a activities.Action, m *exercise.Memory, input any) (map[string]any, error) {
	t.Helper()
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	out, err := a.Do(t.Context(), m.Call(), raw)
	if err != nil {
		return nil, err
	}
	var v map[string]any
	require.NoError(t, json.Unmarshal(out, &v))
	return v, nil
}

func TestOpen_Ticket_SaysWhoItIsFor(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out, err := do(t, o.open, exercise.NewMemory(), map[string]any{"title": title})
	require.NoError(t, err)
	require.Equal(t, "open", out["state"])
	require.Contains(t, out["url"], o.Endpoint("servicenow")+"/nav_to.do?uri=%2Fsc_task.do%3Fsys_id%3D")
	row := o.rows("sc_task")[0]
	require.Equal(t, row["number"], out["number"])
	require.NotEmpty(t, row["requested_for"])
}

func TestOpen_TwoOfOneCall_OldestStays(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := exercise.NewMemory()
	first := o.plant(map[string]string{"short_description": title, "correlation_id": m.Call().Key, "correlation_display": "Gildway"})
	second := o.plant(map[string]string{"short_description": title, "correlation_id": m.Call().Key, "correlation_display": "Gildway"})
	out, err := do(t, o.open, m, map[string]any{"title": title})
	require.NoError(t, err)
	require.EqualValues(t, 2, o.Did("servicenow.sc_task.created", ""))
	require.Contains(t, []any{first, second}, out["ticketId"])
	require.ElementsMatch(t, []string{"1", "4"}, o.state("Gildway"))
}

func TestUpdate_Resolved_NotedOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := exercise.NewMemory()
	ticket, err := do(t, o.open, m, map[string]any{"title": title})
	require.NoError(t, err)
	change := map[string]any{"ticketId": ticket["ticketId"], "state": "resolved", "note": "Access granted"}
	o.Lose("servicenow", "PATCH", "/api/now/table/sc_task/*")
	_, err = do(t, o.update, m, change)
	require.ErrorIs(t, err, fault.Unavailable)
	out, err := do(t, o.update, m, change)
	require.NoError(t, err)
	require.Equal(t, "resolved", out["state"])
	require.Equal(t, []string{"3"}, o.state("Gildway"))
	require.Equal(t, []string{"Access granted"}, o.notes())

	// A resolved ticket stays resolved, whoever asks.
	change["state"] = "in-progress"
	_, err = do(t, o.update, m, change)
	require.ErrorIs(t, err, fault.Conflict)
	raw, err := json.Marshal(map[string]any{"title": title})
	require.NoError(t, err)
	require.NoError(t, o.open.Undo(t.Context(), m.Call(), raw, nil, "the run failed"))
	require.Equal(t, []string{"3"}, o.state("Gildway"))
}

func TestUndo_Open_CancelsWithTheReason(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := exercise.NewMemory()
	_, err := do(t, o.open, m, map[string]any{"title": title})
	require.NoError(t, err)
	raw, err := json.Marshal(map[string]any{"title": title})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, o.open.Undo(t.Context(), m.Call(), raw, nil, "the run failed: no"))
	}
	require.Equal(t, []string{"4"}, o.state("Gildway"))
	require.Equal(t, []string{"Taken back: the run failed: no"}, o.notes())
	require.Zero(t, o.Did("servicenow.sc_task.deleted", ""))
}

func TestUpdate_WhatIsNotOurs_IsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := exercise.NewMemory()
	foreign := o.plant(map[string]string{"short_description": "Other", "correlation_display": "Other"})
	another := o.plant(map[string]string{"short_description": "Another run's", "correlation_display": "Gildway", "correlation_id": "another-run/ticket"})
	for id, kind := range map[string]fault.Kind{
		foreign:                            fault.Denied,
		another:                            fault.Denied,
		"0123456789abcdef0123456789abcdef": fault.NotFound,
		"../incident/x":                    fault.Invalid,
	} {
		_, err := do(t, o.update, m, map[string]any{"ticketId": id, "state": "resolved"})
		require.ErrorIs(t, err, kind, id)
	}
	_, err := do(t, o.update, m, map[string]any{"ticketId": foreign, "state": "done"})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestOpen_SleepingInstance_IsUnavailable(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Your instance is hibernating</html>")
	}))
	t.Cleanup(srv.Close)
	desk := itsm.New(itsm.Config{URL: srv.URL, Token: secrets.New("x")}, nil)
	_, err := do(t, desk.Actions()[0], exercise.NewMemory(), map[string]any{"title": title})
	require.ErrorIs(t, err, fault.Unavailable)
}
