package okta_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

const (
	group = "llm-gateway-users"
	login = "rosa@acme.example"
)

func client(p *exercise.Providers) *okta.Client {
	people := catalog.New(catalog.Config{URL: p.Endpoint("catalog"), Token: secrets.New(exercise.Tokens.Catalog)})
	return okta.New(okta.Config{URL: p.Endpoint("okta"), Token: secrets.New(exercise.Tokens.Okta)}, people)
}

func TestAddMember_Exercise(t *testing.T) {
	t.Parallel()
	exercise.Exercise(t, func(t *testing.T) exercise.Subject {
		p := exercise.StartProviders(t)
		c := client(p)
		member := func() bool {
			m, err := c.Find(t.Context(), group, login)
			require.NoError(t, err)
			return isMember(p, m)
		}
		return exercise.Subject{
			Action:     c.Actions()[0],
			Input:      map[string]any{"group": group},
			Made:       func() int64 { return p.Did("okta.membership.added", "") },
			There:      member,
			LoseAnswer: func() { p.Lose("okta", "PUT", "/api/v1/groups/*/users/*") },
			Throttle:   p.Throttle("okta"),
			Secrets:    func() []string { return []string{exercise.Tokens.Okta, exercise.Tokens.Catalog} },
			TakeAway: func() {
				m, err := c.Find(t.Context(), group, login)
				require.NoError(t, err)
				take(t, p, m)
			},
			Twin: exercise.Twin{Meeting: exercise.Joins, Untouched: member, Plant: func() {
				m, err := c.Find(t.Context(), group, login)
				require.NoError(t, err)
				put(t, p, m)
			}},
		}
	})
}

// take removes a member as somebody else would; put adds one.
func take(t *testing.T, p *exercise.Providers, m okta.Membership) { byHand(t, p, http.MethodDelete, m) }
func put(t *testing.T, p *exercise.Providers, m okta.Membership)  { byHand(t, p, http.MethodPut, m) }

func byHand(t *testing.T, p *exercise.Providers, method string, m okta.Membership) {
	t.Helper()
	require.Equal(t, http.StatusNoContent, p.Call(method, p.Endpoint("okta")+"/api/v1/groups/"+m.GroupID+"/users/"+m.UserID, "SSWS "+exercise.Tokens.Okta, nil, nil))
}

func isMember(p *exercise.Providers, m okta.Membership) bool {
	var users []struct {
		ID string `json:"id"`
	}
	p.Call(http.MethodGet, p.Endpoint("okta")+"/api/v1/groups/"+m.GroupID+"/users", "SSWS "+exercise.Tokens.Okta, nil, &users)
	return slices.ContainsFunc(users, func(u struct {
		ID string `json:"id"`
	}) bool {
		return u.ID == m.UserID
	})
}

func TestFind_WhatCannotBeFound_IsTyped(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := client(p)
	for _, bad := range []struct {
		group, user string
		kind        fault.Kind
	}{
		{"llm-gateway", login, fault.NotFound}, // only the beginning of a name
		{group, "nobody@acme.example", fault.NotFound},
		{group, "user:default/nobody", fault.NotFound},
		{group, "a/../../groups@acme.example", fault.Invalid},
		{group, "a?limit=1@acme.example", fault.Invalid},
		{"../users", login, fault.NotFound},
		{"00g0000000000000000?", login, fault.NotFound},
	} {
		_, err := c.Find(t.Context(), bad.group, bad.user)
		require.ErrorIs(t, err, bad.kind, "%v", bad)
	}
	m, err := c.Find(t.Context(), group, login)
	require.NoError(t, err)
	byID, err := c.Find(t.Context(), m.GroupID, "user:rosa")
	require.NoError(t, err)
	require.Equal(t, m, byID)
}

func TestFind_WrongToken_IsDenied(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := okta.New(okta.Config{URL: p.Endpoint("okta"), Token: secrets.New("canary-wrong")}, nil)
	_, err := c.Find(t.Context(), group, login)
	require.ErrorIs(t, err, fault.Denied)
	require.NotContains(t, err.Error(), "canary-wrong")
}

func TestFind_PlainHTTPBeyondLoopback_IsRefused(t *testing.T) {
	t.Parallel()
	c := okta.New(okta.Config{URL: "http://okta.acme.example", Token: secrets.New("x")}, nil)
	_, err := c.Find(t.Context(), group, login)
	require.ErrorIs(t, err, fault.Invalid)
}

// A proxy that joins Link headers makes the SDK take each page for its own successor.
func TestFind_ListThatGoesInACircle_Ends(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		self := "http://" + r.Host + r.URL.Path
		w.Header().Set("Link", "<"+self+`?after=x>; rel="self", <`+self+`?after=y>; rel="next"`)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]any{})
	}))
	t.Cleanup(srv.Close)
	c := okta.New(okta.Config{URL: srv.URL, Token: secrets.New("x")}, nil)
	_, err := c.Find(t.Context(), group, login)
	require.ErrorIs(t, err, fault.Conflict)
}

// The SDK repeats a request that ends in EOF for ever.
func TestFind_DroppedConnection_ReturnsAtOnce(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls <- struct{}{}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	c := okta.New(okta.Config{URL: srv.URL, Token: secrets.New("x")}, nil)
	_, err := c.Find(t.Context(), group, login)
	require.ErrorIs(t, err, fault.Unavailable)
	require.LessOrEqual(t, len(calls), 2) // net/http itself may repeat a GET on a reused connection
}

// Two runs grant the same membership. The first grant to end leaves it to the other.
func TestAddMember_TwoGrants_TheLastOneRemoves(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	c := client(p)
	action := c.Actions()[0]
	input := json.RawMessage(`{"group":"` + group + `","user":"` + login + `"}`)
	first := exercise.NewMemory()
	second := first.Beside()
	m, err := c.Find(t.Context(), group, login)
	require.NoError(t, err)
	outputs := map[*exercise.Memory]json.RawMessage{}
	for _, grant := range []*exercise.Memory{first, second} {
		outputs[grant], err = action.Do(t.Context(), grant.Call(), input)
		require.NoError(t, err)
	}
	require.Contains(t, second.Lines()[0], "by another grant")
	require.NoError(t, action.Undo(t.Context(), first.Call(), input, outputs[first], "the lease ended"))
	require.Contains(t, first.Lines()[len(first.Lines())-1], "another grant needs it")
	require.True(t, isMember(p, m))
	require.NoError(t, action.Undo(t.Context(), first.Call(), input, outputs[first], "the lease ended"), "again")
	require.True(t, isMember(p, m))
	require.NoError(t, action.Undo(t.Context(), second.Call(), input, outputs[second], "the lease ended"))
	require.False(t, isMember(p, m))
}

// People are looked for by their canonical ref, whatever a step has called them.
func TestAddMember_NamesWhomItGrantsTo_Canonically(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	action := client(p).Actions()[0]
	for named, want := range map[string]string{"Rosa": "user:default/rosa", "user:rosa": "user:default/rosa", login: login} {
		output, err := action.Do(t.Context(), exercise.NewMemory().Call(), json.RawMessage(`{"group":"`+group+`","user":"`+named+`"}`))
		require.NoError(t, err)
		var m okta.Membership
		require.NoError(t, json.Unmarshal(output, &m))
		require.Equal(t, want, m.User)
	}
}
