package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

const checkURL = "/api/gildway/v1/access/check"

func TestCheckAccess_EverybodyForThemselves_AuditorsForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	w.engine.set(func(e *fakeEngine) {
		e.checking = Checking{State: "done", Started: &at, Ended: &at, Found: activities.CheckedAccess{Checked: 3, Drifted: 1, Unchecked: 2}}
	})
	require.Equal(t, http.StatusForbidden, w.as(rosa, http.MethodPost, checkURL, nil).status)
	require.Equal(t, http.StatusForbidden, w.as(rosa, http.MethodPost, checkURL+"?user=user:default/eve", nil).status)
	require.Equal(t, http.StatusForbidden, w.as(rosa, http.MethodGet, checkURL+"?user=eve", nil).status)
	require.Equal(t, http.StatusAccepted, w.as(rosa, http.MethodPost, checkURL+"?user=user:rosa", nil).status)
	require.Equal(t, http.StatusAccepted, w.as(olga, http.MethodPost, checkURL, nil).status)
	w.engine.set(func(e *fakeEngine) { require.Equal(t, []string{rosa + " " + rosa, olga}, e.checks) })
	said := w.as(adam, http.MethodGet, checkURL, nil)
	require.Equal(t, http.StatusOK, said.status)
	require.JSONEq(t, `{"state":"done","startedAt":"2027-01-02T03:04:05.000Z","endedAt":"2027-01-02T03:04:05.000Z","checked":3,"drifted":1,"unchecked":2}`, said.text)
	w.engine.set(func(e *fakeEngine) { e.err = fault.New(fault.Unavailable, "no engine") })
	require.Equal(t, http.StatusServiceUnavailable, w.as(adam, http.MethodPost, checkURL, nil).status)
}

func TestListAccess_ShowsWhatIsNotAsItWasGranted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.submit()
	key := task + "/grant"
	ctx := t.Context()
	require.NoError(t, w.store.EffectBegins(ctx, store.Effect{Key: key, Task: task, Step: "grant", Action: "okta:group:add-member", Queue: "q", Call: json.RawMessage(`{}`)}))
	require.NoError(t, w.store.EffectDone(ctx, key, json.RawMessage(`{}`)))
	require.NoError(t, w.store.OpenLease(ctx, store.Lease{ID: "lease/" + key, Task: task, Step: "grant", Action: "okta:group:add-member", Requester: rosa, Template: "template:default/noop", ExpiresAt: time.Now().Add(time.Hour)}))
	grant := func(who string) map[string]any {
		items := w.as(who, http.MethodGet, "/api/gildway/v1/access?task="+task, nil).json(t)["items"].([]any)
		require.Len(t, items, 1)
		return items[0].(map[string]any)
	}
	drifts := func(who string) []any {
		return w.as(who, http.MethodGet, "/api/gildway/v1/access/drift", nil).json(t)["items"].([]any)
	}
	require.NotContains(t, grant(rosa), "checkedAt")
	require.NoError(t, w.store.Stands(ctx, key, "gone", "rosa is gone"))
	require.Equal(t, "gone", grant(rosa)["drift"].(map[string]any)["kind"])
	require.Contains(t, grant(rosa), "checkedAt")
	require.Empty(t, drifts(eve))
	for _, who := range []string{rosa, olga, adam} {
		list := drifts(who)
		require.Len(t, list, 1, who)
		require.Equal(t, "rosa is gone", list[0].(map[string]any)["says"])
		require.Equal(t, "lease/"+key, list[0].(map[string]any)["lease"])
	}
	require.NoError(t, w.store.Unchecked(ctx, []string{key}, "Okta does not answer"))
	require.Equal(t, "Okta does not answer", grant(rosa)["unchecked"])
	require.Contains(t, grant(rosa), "uncheckedSince")
	require.NoError(t, w.store.Stands(ctx, key, "", ""))
	require.NotContains(t, grant(rosa), "drift")
	require.NotContains(t, grant(rosa), "unchecked")
}

// A server says once how often it wants rounds, and after that only that they go on.
func TestRounder_SaysOnceWhatItWants(t *testing.T) {
	t.Parallel()
	e := &fakeEngine{err: fault.New(fault.Unavailable, "not yet")}
	r := newRounder([]activities.RoundsInput{{ID: "access-check", Every: time.Hour}}, e, slog.New(slog.DiscardHandler))
	_, err := r.pass(t.Context())
	require.Error(t, err)
	e.set(func(e *fakeEngine) { e.err = nil })
	for range 2 {
		_, err := r.pass(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, []string{"access-check 1h0m0s true", "access-check 1h0m0s true", "access-check 1h0m0s false"}, e.kept)
}
