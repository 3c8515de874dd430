package toolchain_test

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/activities/toolchain"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestMain(m *testing.M) { os.Exit(exercise.WithVault(m)) }

// office is the action beside doubles of the catalog and Okta, and a real Vault.
type office struct {
	*exercise.Providers
	t      *testing.T
	vault  *exercise.Vault
	groups *okta.Client
	action activities.Action
	team   string
}

const approved = "ai-coding-assistants"

// newOffice has a team of its own, with rosa and jonas in it.
func newOffice(t *testing.T) office {
	o := office{Providers: exercise.StartProviders(t), t: t, vault: exercise.StartVault(t), team: "team-" + uuid.NewString()[:8]}
	people := catalog.New(catalog.Config{URL: o.Endpoint("catalog"), Token: secrets.New(exercise.Tokens.Catalog)})
	o.groups = okta.New(okta.Config{URL: o.Endpoint("okta"), Token: secrets.New(exercise.Tokens.Okta)}, people)
	keys := vault.New(vault.Config{Address: o.vault.Address, Token: secrets.New(o.vault.WorkerToken)})
	o.action = toolchain.New(people, o.groups, keys).Actions()[0]
	for _, name := range []string{"rosa", "jonas"} {
		o.enrol(name)
	}
	return o
}

func (o office) enrol(name string) {
	require.Equal(o.t, http.StatusOK, o.Call(http.MethodPut, o.Endpoint("catalog")+"/_sandbox/people/"+name, "Bearer "+exercise.Tokens.Catalog,
		map[string]any{"displayName": name, "groups": []string{o.team}}, nil))
}

func (o office) membership(name string) string {
	m, err := o.groups.Find(o.t.Context(), approved, name+"@acme.example")
	require.NoError(o.t, err)
	return o.Endpoint("okta") + "/api/v1/groups/" + m.GroupID + "/users/" + m.UserID
}

func (o office) members() (logins []string) {
	m, err := o.groups.Find(o.t.Context(), approved, "rosa@acme.example")
	require.NoError(o.t, err)
	var users []struct {
		Profile struct{ Login string }
	}
	o.Call(http.MethodGet, o.Endpoint("okta")+"/api/v1/groups/"+m.GroupID+"/users", "SSWS "+exercise.Tokens.Okta, nil, &users)
	for _, u := range users {
		logins = append(logins, u.Profile.Login)
	}
	return logins
}

func (o office) tasks() (names []any) {
	all, err := o.vault.Root.Logical().ListWithContext(o.t.Context(), "team-keys/metadata/"+o.team+"/acme-llm-gateway")
	require.NoError(o.t, err)
	if all != nil {
		names = all.Data["keys"].([]any)
	}
	return names
}

func TestProvision_Exercise(t *testing.T) {
	t.Parallel()
	exercise.Exercise(t, func(t *testing.T) exercise.Subject {
		o := newOffice(t)
		return exercise.Subject{
			Action: o.action,
			Input:  map[string]any{"serviceName": "shop", "team": "group:default/" + o.team},
			Made: func() int64 {
				return max(o.Did("okta.membership.added", approved+"/jonas@acme.example"), int64(len(o.tasks())))
			},
			There:      func() bool { return len(o.tasks()) > 0 || len(o.members()) > 0 },
			LoseAnswer: func() { o.Lose("okta", "PUT", "/api/v1/groups/*/users/*") },
			Throttle:   o.Throttle("okta"),
			TakeAway: func() {
				require.Equal(t, http.StatusNoContent, o.Call(http.MethodDelete, o.membership("jonas"), "SSWS "+exercise.Tokens.Okta, nil, nil))
			},
			Secrets: func() []string { return []string{exercise.Tokens.Okta, o.vault.WorkerToken} },
			Twin: exercise.Twin{
				Meeting: exercise.Ignores, // jonas is added beside rosa
				Plant: func() {
					require.Equal(t, http.StatusNoContent, o.Call(http.MethodPut, o.membership("rosa"), "SSWS "+exercise.Tokens.Okta, nil, nil))
				},
				Untouched: func() bool {
					for _, m := range o.members() {
						if m == "rosa@acme.example" {
							return true
						}
					}
					return false
				},
			},
		}
	})
}

func provision(t *testing.T, o office, m *exercise.Memory) (toolchain.Output, json.RawMessage, error) {
	t.Helper()
	var out toolchain.Output
	raw, err := o.action.Do(t.Context(), m.Call(), []byte(`{"serviceName":"shop","team":"`+o.team+`"}`))
	if err == nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out, raw, err
}

func TestProvision_Team_IsInTheGroupAndHasAKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := exercise.NewMemory()
	out, raw, err := provision(t, o, m)
	require.NoError(t, err)
	require.Equal(t, []string{"jonas@acme.example", "rosa@acme.example"}, out.Members)
	require.Equal(t, "team-keys/"+o.team+"/acme-llm-gateway/"+m.Call().Run.Task, out.KeyPath)

	// Who left the team meanwhile leaves the group as well.
	o.Call(http.MethodPut, o.Endpoint("catalog")+"/_sandbox/people/jonas", "Bearer "+exercise.Tokens.Catalog,
		map[string]any{"displayName": "jonas", "groups": []string{"audit"}}, nil)
	require.NoError(t, o.action.Undo(t.Context(), m.Call(), []byte(`{"serviceName":"shop","team":"`+o.team+`"}`), raw, "test"))
	require.Empty(t, o.members())
	require.Empty(t, o.tasks())
}

func TestProvision_MemberWithoutAccount_ChangesNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Fail("okta", "GET", "/api/v1/users/rosa@acme.example", http.StatusNotFound)
	_, _, err := provision(t, o, exercise.NewMemory())
	require.ErrorIs(t, err, fault.NotFound)
	require.Empty(t, o.members())
	require.Empty(t, o.tasks())
}

func TestProvision_UnknownTeam_IsNotFound(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.team = "nobody"
	_, _, err := provision(t, o, exercise.NewMemory())
	require.ErrorIs(t, err, fault.NotFound)
}
