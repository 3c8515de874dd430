package vault_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestMain(m *testing.M) { os.Exit(exercise.WithVault(m)) }

const tool = "aimodel:default/acme-llm-gateway"

func minter(v *exercise.Vault) *vault.Minter {
	return vault.New(vault.Config{Address: v.Address, Token: secrets.New(v.WorkerToken)})
}

func handover(v *exercise.Vault) *vault.Handover {
	return vault.NewHandover(vault.Config{Address: v.Address, Token: secrets.New(v.APIToken)})
}

// newTeam is a team that no other test has keys for.
func newTeam() string { return "team-" + uuid.NewString()[:8] }

// tasks lists the tasks that have made a key for a team.
func tasks(t *testing.T, v *exercise.Vault, team string) (names []string) {
	t.Helper()
	all, err := v.Root.Logical().ListWithContext(t.Context(), "team-keys/metadata/"+team+"/acme-llm-gateway")
	require.NoError(t, err)
	if all == nil {
		return nil
	}
	for _, k := range all.Data["keys"].([]any) {
		names = append(names, k.(string))
	}
	return names
}

func TestMintKey_Exercise(t *testing.T) {
	t.Parallel()
	exercise.Exercise(t, func(t *testing.T) exercise.Subject {
		v := exercise.StartVault(t)
		team := newTeam()
		foreign := "team-keys/data/" + team + "/acme-llm-gateway/another-task"
		ends := time.Now().Add(time.Hour)
		return exercise.Subject{
			Action:    minter(v).Actions()[0],
			Input:     map[string]any{"team": "group:default/" + team, "tool": tool, "purpose": "tests"},
			LeaseEnds: &ends,
			Made: func() (n int64) {
				for _, task := range tasks(t, v, team) {
					n += max(1, v.Holders(t, "gildway-key-"+task)/2) // a token and its wrapping
				}
				return n
			},
			There: func() bool {
				for _, task := range tasks(t, v, team) {
					if task != "another-task" {
						return true
					}
				}
				return false
			},
			LoseAnswer: func() { v.Lose("/v1/auth/token/create/") },
			TakeAway: func() {
				for _, task := range tasks(t, v, team) {
					v.EndTokens(t, "gildway-key-"+task+"-effect")
				}
			},
			Secrets: func() []string {
				found := []string{v.WorkerToken}
				for _, task := range tasks(t, v, team) {
					key, err := v.Root.KVv2("team-keys").Get(t.Context(), team+"/acme-llm-gateway/"+task)
					require.NoError(t, err)
					left, err := v.Root.KVv2("gildway-handover").Get(t.Context(), task+"/effect")
					require.NoError(t, err)
					found = append(found, key.Data["key"].(string), left.Data["wrapping_token"].(string))
				}
				require.Len(t, found, 3)
				return found
			},
			Twin: exercise.Twin{
				Meeting: exercise.Ignores,
				Plant: func() {
					_, err := v.Root.Logical().WriteWithContext(t.Context(), foreign, map[string]any{"data": map[string]any{"key": "not ours"}})
					require.NoError(t, err)
				},
				Untouched: func() bool {
					s, err := v.Root.Logical().ReadWithContext(t.Context(), foreign)
					require.NoError(t, err)
					return s != nil && s.Data["data"].(map[string]any)["key"] == "not ours"
				},
			},
		}
	})
}

// Every answer of the way to a key can be lost.
func TestMint_AnyAnswerLost_OneKeyOneToken(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/v1/team-keys/metadata/", "/v1/team-keys/data/", "/v1/sys/policies/acl/", "/v1/auth/token/roles/", "/v1/sys/leases/revoke-prefix/",
		"/v1/auth/token/create/", "/v1/auth/token/lookup-accessor", "/v1/gildway-handover/metadata/", "/v1/gildway-handover/data/",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			v := exercise.StartVault(t)
			m, memory, r := minter(v), exercise.NewMemory(), vault.Request{Team: newTeam(), Tool: tool}
			v.Lose(path)
			if _, err := m.Mint(t.Context(), memory.Call(), r); err != nil { // net/http itself repeats some reads
				require.ErrorIs(t, err, fault.Unavailable)
			}
			got, err := m.Mint(t.Context(), memory.Call(), r)
			require.NoError(t, err)
			require.EqualValues(t, 2, v.Holders(t, got.Role), "the token and its wrapping")
			key, err := v.Root.KVv2(got.Mount).Get(t.Context(), got.Path)
			require.NoError(t, err)
			require.Equal(t, 1, key.VersionMetadata.Version)
			left, err := handover(v).Collect(t.Context(), memory.Call().Run.Task, "effect", unclaimed)
			require.NoError(t, err)
			require.Equal(t, got.ExpiresAt, left.ExpiresAt.UTC().Format(time.RFC3339))

			v.Lose(path)
			if err := m.Revoke(t.Context(), memory.Call(), r, "test"); err != nil {
				require.ErrorIs(t, err, fault.Unavailable)
				require.NoError(t, m.Revoke(t.Context(), memory.Call(), r, "test"))
			}
			require.Zero(t, v.Holders(t, got.Role))
		})
	}
}

// The requester may be faster than the attempt that comes after one whose answer was lost.
func TestMint_CollectedBeforeTheNextAttempt_TokenStaysAlive(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	m, memory, r := minter(v), exercise.NewMemory(), vault.Request{Team: newTeam(), Tool: tool}
	v.Lose("/v1/gildway-handover/data/")
	_, err := m.Mint(t.Context(), memory.Call(), r)
	require.ErrorIs(t, err, fault.Unavailable)
	left, err := handover(v).Collect(t.Context(), memory.Call().Run.Task, "effect", unclaimed)
	require.NoError(t, err)
	key := unwrap(t, v, left)

	got, err := m.Mint(t.Context(), memory.Call(), r)
	require.NoError(t, err)
	require.Equal(t, got.ExpiresAt, left.ExpiresAt.UTC().Format(time.RFC3339))
	_, err = key.KVv2(left.Mount).Get(t.Context(), left.Path)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Holders(t, got.Role))
	_, err = handover(v).Collect(t.Context(), memory.Call().Run.Task, "effect", unclaimed)
	require.ErrorIs(t, err, fault.Gone)
}

// What somebody has written over our metadata doesn't get better by trying again.
func TestMint_MalformedEndInVault_Conflict(t *testing.T) {
	t.Parallel()
	for field, where := range map[string]func(vault.Minted, string) (mount, path string){
		"gildway-expires": func(k vault.Minted, _ string) (string, string) { return k.Mount, k.Path },
		"expiresAt":       func(_ vault.Minted, task string) (string, string) { return "gildway-handover", task + "/effect" },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			v := exercise.StartVault(t)
			m, memory, r := minter(v), exercise.NewMemory(), vault.Request{Team: newTeam(), Tool: tool}
			key, err := m.Mint(t.Context(), memory.Call(), r)
			require.NoError(t, err)
			if field == "expiresAt" { // read only while the key is not known to be handed over
				require.NoError(t, v.Root.KVv2(key.Mount).PutMetadata(t.Context(), key.Path, api.KVMetadataPutInput{
					CustomMetadata: map[string]any{"gildway-run": memory.Call().Key}}))
			}
			mount, path := where(key, memory.Call().Run.Task)
			require.NoError(t, v.Root.KVv2(mount).PatchMetadata(t.Context(), path, api.KVMetadataPatchInput{
				CustomMetadata: map[string]any{field: "next week"}}))
			_, err = m.Mint(t.Context(), memory.Call(), r)
			require.ErrorIs(t, err, fault.Conflict)
		})
	}
}

func TestRenew_Key_AnotherTokenForTheSameKey(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	m, r := minter(v), vault.Request{Team: newTeam(), Tool: tool}
	call := exercise.NewMemory().Call()
	first, later := time.Now().Add(20*time.Minute), time.Now().Add(2*time.Hour)
	call.LeaseEnds = &first
	made, err := m.Mint(t.Context(), call, r)
	require.NoError(t, err)
	left, err := handover(v).Collect(t.Context(), call.Run.Task, "effect", unclaimed)
	require.NoError(t, err)
	before := unwrap(t, v, left)

	call.LeaseEnds = &later
	v.Lose("/v1/gildway-handover/data/")
	_, err = m.Renew(t.Context(), call, r, made)
	require.ErrorIs(t, err, fault.Unavailable)
	got, err := m.Renew(t.Context(), call, r, made)
	require.NoError(t, err)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	require.WithinDuration(t, later, expires, 5*time.Second)
	require.Equal(t, made.Path, got.Path)
	again, err := m.Renew(t.Context(), call, r, made)
	require.NoError(t, err)
	require.Equal(t, got, again, "another attempt makes no other token")

	left, err = handover(v).Collect(t.Context(), call.Run.Task, "effect", unclaimed)
	require.NoError(t, err)
	after := unwrap(t, v, left)
	for _, key := range []*api.Client{before, after} { // whoever holds the old token has time to take the new one
		_, err = key.KVv2(left.Mount).Get(t.Context(), left.Path)
		require.NoError(t, err)
	}
	require.NoError(t, m.Revoke(t.Context(), call, r, "test"))
	for _, key := range []*api.Client{before, after} {
		_, err = key.KVv2(left.Mount).Get(t.Context(), left.Path)
		require.Equal(t, http.StatusForbidden, status(t, err))
	}
	_, err = m.Renew(t.Context(), call, r, made)
	require.ErrorIs(t, err, fault.Conflict)
}

func TestCollect_ClaimRefused_LeavesItThere(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	memory := exercise.NewMemory()
	_, err := minter(v).Mint(t.Context(), memory.Call(), vault.Request{Team: newTeam(), Tool: tool})
	require.NoError(t, err)
	taken := fault.New(fault.Gone, "somebody else was faster")
	_, err = handover(v).Collect(t.Context(), memory.Call().Run.Task, "effect", func(context.Context) error { return taken })
	require.ErrorIs(t, err, taken)
	_, err = handover(v).Collect(t.Context(), memory.Call().Run.Task, "effect", unclaimed)
	require.NoError(t, err)
}

// unclaimed lets everybody collect.
func unclaimed(context.Context) error { return nil }

func unwrap(t *testing.T, v *exercise.Vault, c vault.Collected) *api.Client {
	t.Helper()
	opened, err := v.With(t, c.WrappingToken.Reveal()).Logical().UnwrapWithContext(t.Context(), "")
	require.NoError(t, err)
	return v.With(t, opened.Auth.ClientToken)
}

func status(t *testing.T, err error) int {
	t.Helper()
	var answer *api.ResponseError
	require.ErrorAs(t, err, &answer)
	return answer.StatusCode
}

func TestMint_Token_OpensItsOwnKeyAndNothingElse(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	m, memory := minter(v), exercise.NewMemory()
	call := memory.Call()
	ends := time.Now().Add(30 * time.Minute)
	call.LeaseEnds = &ends
	mine := vault.Request{Team: "group:" + newTeam(), Tool: tool}
	got, err := m.Mint(t.Context(), call, mine)
	require.NoError(t, err)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	require.WithinDuration(t, ends, expires, 5*time.Second)
	require.Equal(t, "/api/gildway/v1/tasks/"+call.Run.Task+"/collect", got.Collect)

	other, err := m.Mint(t.Context(), exercise.NewMemory().Call(), vault.Request{Team: newTeam(), Tool: tool})
	require.NoError(t, err)

	left, err := handover(v).Collect(t.Context(), call.Run.Task, "effect", unclaimed)
	require.NoError(t, err)
	_, err = handover(v).Collect(t.Context(), call.Run.Task, "effect", unclaimed)
	require.ErrorIs(t, err, fault.Gone)
	key := unwrap(t, v, left)
	opened, err := key.KVv2(left.Mount).Get(t.Context(), left.Path)
	require.NoError(t, err)
	require.Regexp(t, `^gw_[A-Za-z0-9_-]{43}$`, opened.Data["key"])
	require.Equal(t, exercise.Requester, opened.Data["for"])
	_, err = key.KVv2(other.Mount).Get(t.Context(), other.Path)
	require.Equal(t, http.StatusForbidden, status(t, err))
	_, err = key.KVv2(left.Mount).Put(t.Context(), left.Path, map[string]any{"key": "x"})
	require.Equal(t, http.StatusForbidden, status(t, err))
	_, err = key.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{})
	require.Equal(t, http.StatusForbidden, status(t, err))

	// Minting again after the collection neither ends the collected token nor makes a second.
	again, err := m.Mint(t.Context(), call, mine)
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = key.KVv2(left.Mount).Get(t.Context(), left.Path)
	require.NoError(t, err)

	require.NoError(t, m.Revoke(t.Context(), call, mine, "test"))
	_, err = key.KVv2(left.Mount).Get(t.Context(), left.Path)
	require.Equal(t, http.StatusForbidden, status(t, err))
	_, err = v.Root.KVv2(other.Mount).Get(t.Context(), other.Path)
	require.NoError(t, err)
}

func TestPolicies_WorkerAndAPI_CannotReadKeys(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	memory := exercise.NewMemory()
	got, err := minter(v).Mint(t.Context(), memory.Call(), vault.Request{Team: newTeam(), Tool: tool})
	require.NoError(t, err)
	for _, token := range []string{v.WorkerToken, v.APIToken} {
		c := v.With(t, token)
		_, err := c.KVv2(got.Mount).Get(t.Context(), got.Path)
		require.Equal(t, http.StatusForbidden, status(t, err))
		_, err = c.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{Policies: []string{"root"}})
		require.Equal(t, http.StatusForbidden, status(t, err))
	}
	_, err = v.With(t, v.WorkerToken).KVv2("gildway-handover").Get(t.Context(), memory.Call().Run.Task+"/effect")
	require.Equal(t, http.StatusForbidden, status(t, err))
}

func TestMint_StrangersKeyAtOurPath_IsAConflict(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	memory, team := exercise.NewMemory(), newTeam()
	path := team + "/acme-llm-gateway/" + memory.Call().Run.Task
	_, err := v.Root.KVv2("team-keys").Put(t.Context(), path, map[string]any{"key": "not ours"})
	require.NoError(t, err)
	r := vault.Request{Team: team, Tool: tool}
	_, err = minter(v).Mint(t.Context(), memory.Call(), r)
	require.ErrorIs(t, err, fault.Conflict)
	require.ErrorIs(t, minter(v).Revoke(t.Context(), memory.Call(), r, "test"), fault.Conflict)
	left, err := v.Root.KVv2("team-keys").Get(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, "not ours", left.Data["key"])
}

func TestMint_TTLBeyondVaultsLimit_IsToldAsGranted(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	memory := exercise.NewMemory()
	call := memory.Call()
	ends := time.Now().Add(5000 * time.Hour)
	call.LeaseEnds = &ends
	got, err := minter(v).Mint(t.Context(), call, vault.Request{Team: newTeam(), Tool: tool})
	require.NoError(t, err)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	require.Less(t, time.Until(expires), 1000*time.Hour)
	require.Contains(t, strings.Join(memory.Lines(), "\n"), "Vault grants")

	past := time.Now().Add(-time.Second)
	late := exercise.NewMemory().Call()
	late.LeaseEnds = &past
	_, err = minter(v).Mint(t.Context(), late, vault.Request{Team: newTeam(), Tool: tool})
	require.ErrorIs(t, err, fault.Conflict)
}

func TestMint_Loop_EachIterationHasItsOwn(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	m, memory := minter(v), exercise.NewMemory()
	roles := map[string]bool{}
	for _, iteration := range []string{"a", "A", "a b", "a-b", "../x"} {
		call := memory.Call()
		call.Iteration, call.Key = iteration, call.Key+"/"+iteration
		got, err := m.Mint(t.Context(), call, vault.Request{Team: newTeam(), Tool: "word"})
		require.NoError(t, err)
		require.Regexp(t, `^gildway-key-[a-z0-9-]+$`, got.Role)
		roles[got.Role] = true
		_, err = handover(v).Collect(t.Context(), call.Run.Task, "effect/"+iteration, unclaimed)
		require.NoError(t, err, iteration)
	}
	require.Len(t, roles, 5)
}

func TestMint_BadInputOrToken_IsTyped(t *testing.T) {
	t.Parallel()
	v := exercise.StartVault(t)
	for _, r := range []vault.Request{{Team: "../x", Tool: tool}, {Team: "a", Tool: "x/../../y"}, {Team: "a*", Tool: tool}, {Team: "a", Tool: "+"}} {
		_, err := minter(v).Mint(t.Context(), exercise.NewMemory().Call(), r)
		require.ErrorIs(t, err, fault.Invalid, "%v", r)
	}
	dead := vault.New(vault.Config{Address: v.Address, Token: secrets.New("hvs.canary-dead")})
	_, err := dead.Mint(t.Context(), exercise.NewMemory().Call(), vault.Request{Team: "a", Tool: tool})
	require.ErrorIs(t, err, fault.Denied)
	require.NotContains(t, err.Error()+fault.From(err).Cause.Error(), "canary-dead")
	_, err = handover(v).Collect(t.Context(), uuid.NewString(), "effect", unclaimed)
	require.ErrorIs(t, err, fault.NotFound)
}
