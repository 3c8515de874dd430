package store

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// grants makes an effect with an output, and a lease of it if somebody has asked for it.
func grants(t *testing.T, s *Store, task, step, output, leaseOf string) {
	t.Helper()
	key := task + "/" + step
	require.NoError(t, s.EffectBegins(t.Context(), Effect{Key: key, Task: task, Step: step, Action: "okta:group:add-member", Queue: "okta", Call: json.RawMessage(`{}`)}))
	require.NoError(t, s.EffectDone(t.Context(), key, json.RawMessage(output)))
	if leaseOf != "" {
		require.NoError(t, s.OpenLease(t.Context(), Lease{
			ID: "lease/" + key, Task: task, Step: step, Action: "okta:group:add-member", Requester: leaseOf, Template: "template:default/x",
			ExpiresAt: time.Now().Add(time.Hour), Output: json.RawMessage(output),
		}))
	}
}

const amir = "user:default/amir"

func TestPeople_GrantedByLogin_IsTheirs(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	task := create(t, s, "user:default/rosa")
	grants(t, s, task, "ref", `{"user":"user:default/amir","login":"Amir@acme.com"}`, "user:default/rosa")
	grants(t, s, task, "login", `{"user":"amir@acme.com","login":"amir@acme.com"}`, "user:default/rosa")
	grants(t, s, task, "other", `{"user":"kim@acme.com","login":"kim@acme.com"}`, "user:default/rosa")
	logins, err := s.LoginsOf(ctx, amir)
	require.NoError(t, err)
	require.Equal(t, []string{"amir@acme.com"}, logins)
	for _, c := range []struct {
		logins []string
		want   []string
	}{{nil, []string{"ref"}}, {logins, []string{"login", "ref"}}} {
		leases, err := s.Leases(ctx, LeaseFilter{Person: amir, Logins: c.logins, Limit: 10})
		require.NoError(t, err)
		var steps []string
		for _, l := range leases {
			steps = append(steps, l.Step)
		}
		require.Equal(t, c.want, steps)
		found, err := s.Grants(ctx, GrantFilter{Person: amir, Logins: c.logins, Limit: 10})
		require.NoError(t, err)
		require.Len(t, found, len(c.want))
	}
}

func TestStaying_TeamsAndWhatHasNoLease(t *testing.T) {
	t.Parallel()
	s := open(t)
	task := create(t, s, "user:default/rosa")
	grants(t, s, task, "leased", `{"user":"user:default/amir","login":"amir@acme.com"}`, "user:default/rosa")
	grants(t, s, task, "team", `{"members":["kim@acme.com","Amir@acme.com"]}`, "user:default/rosa")
	grants(t, s, task, "team-for-ever", `{"members":["amir@acme.com"]}`, "")
	grants(t, s, task, "lead", `{"members":["amir@acme.com"]}`, amir) // asked for by them: it ends
	grants(t, s, task, "others", `{"members":["kim@acme.com"]}`, "")
	grants(t, s, task, "for-ever", `{"user":"user:default/amir","login":"x"}`, "")
	grants(t, s, task, "odd", `{"members":"amir@acme.com"}`, "")
	list, err := s.Staying(t.Context(), amir, []string{"amir@acme.com"})
	require.NoError(t, err)
	var got []string
	for _, g := range list {
		what := g.Step
		if g.Team {
			what += " of a team"
		}
		if g.Lease != "" {
			what += ", leased"
		}
		got = append(got, what)
	}
	require.Equal(t, []string{"team of a team, leased", "team-for-ever of a team", "for-ever"}, got)
}

func TestMigrations_Grantees_BecomeCanonical(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	provider, err := s.migrator()
	require.NoError(t, err)
	_, err = provider.DownTo(ctx, 29)
	require.NoError(t, err)
	task := create(t, s, "user:default/rosa")
	want := map[string]string{
		"Amir": amir, "default/amir": amir, "user:amir": amir, "User:Ops/amir": "user:ops/amir", "Amir@acme.com": "Amir@acme.com", amir: amir,
	}
	for named := range want {
		grants(t, s, task, named, `{"groupId":"g","user":"`+named+`"}`, "user:default/rosa")
	}
	_, err = provider.Up(ctx)
	require.NoError(t, err)
	leases, err := s.Leases(ctx, LeaseFilter{Task: task, Limit: 10})
	require.NoError(t, err)
	require.Len(t, leases, len(want))
	found, err := s.Grants(ctx, GrantFilter{Limit: 10})
	require.NoError(t, err)
	outputs := map[string][]json.RawMessage{}
	for i := range leases {
		outputs[leases[i].Step] = append(outputs[leases[i].Step], leases[i].Output)
		outputs[found[i].Step] = append(outputs[found[i].Step], found[i].Output)
	}
	for named, canonical := range want {
		for _, output := range outputs[named] {
			require.JSONEq(t, `{"groupId":"g","user":"`+canonical+`"}`, string(output))
		}
	}
}
