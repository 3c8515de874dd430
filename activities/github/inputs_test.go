package github_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

const npmToken = "npm-canary-77c1"

// everything is an input that has the step do all that it can.
func everything() map[string]any {
	return map[string]any{
		"repoUrl": repoURL, "token": exercise.Tokens.GitHubPerson, "access": "acme-org/payments-team",
		"collaborators": []any{
			map[string]any{"user": "user:default/jonas", "access": "maintain"},
			map[string]any{"team": "group:default/audit", "access": "pull"},
		},
		"topics": []any{"Golden"}, "repoVariables": map[string]any{"REGION": "eu", "TIER": "1"},
		"secrets":           map[string]any{"NPM_TOKEN": npmToken},
		"oidcCustomization": map[string]any{"useDefault": false, "includeClaimKeys": []any{"repo", "context"}},
		"customProperties":  map[string]any{"tier": "gold", "languages": []any{"go"}}, "subscribe": true,
		"allowUpdateBranch": true, "squashMergeCommitTitle": "PR_TITLE", "squashMergeCommitMessage": "BLANK",
		"bypassPullRequestAllowances": map[string]any{"apps": []any{"ci"}}, "requiredCommitSigning": true,
		"restrictions": map[string]any{"users": []any{"rosa"}, "teams": []any{"payments-team"}},
	}
}

// effects are how often each thing that everything asks for really happened.
func effects(p *exercise.Providers) map[string]int64 {
	did := map[string]int64{}
	for effect, of := range map[string]string{
		"github.repo.created": "", "github.push": "", "github.team.granted": "/payments-team", "github.topics.set": "",
		"github.collaborator.granted": "/jonas", "github.secret.set": "/NPM_TOKEN", "github.oidc.set": "", "github.subscription.set": "/rosa",
		"github.protection.set": "/main", "github.signatures.set": "/main", "github.variable.set": "/REGION",
	} {
		did[effect] = p.Did(effect, "acme-org/shop"+of)
	}
	return did
}

func TestPublish_EveryInput_Exercise(t *testing.T) {
	t.Parallel()
	for name, at := range map[string][2]string{
		"team":       {"PUT", "/orgs/acme-org/teams/payments-team" + shop},
		"variable":   {"POST", shop + "/actions/variables"},
		"secret":     {"PUT", shop + "/actions/secrets/NPM_TOKEN"},
		"signatures": {"POST", shop + "/branches/main/protection/required_signatures"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exercise.Exercise(t, func(t *testing.T) exercise.Subject {
				p := exercise.StartProviders(t)
				return exercise.Subject{
					Action: publish(p), Input: everything(), Files: exercise.Files(t, map[string]string{"README.md": "# shop\n"}),
					Made: func() (most int64) {
						for _, did := range effects(p) {
							most = max(most, did)
						}
						return most
					},
					There:      func() bool { _, there := description(p); return there },
					LoseAnswer: func() { p.Lose("github", at[0], at[1]) },
					Throttle:   p.Throttle("github"),
					Secrets:    func() []string { return []string{exercise.Tokens.GitHub, exercise.Tokens.GitHubPerson, npmToken} },
					Twin: exercise.Twin{
						Meeting: exercise.Refuses, Plant: func() { plant(p) },
						Untouched: func() bool { d, there := description(p); return there && d == "not yours" },
					},
				}
			})
		})
	}
}

// Nothing but the step's own token opens anything here: the integration's is not accepted.
func TestPublish_EveryInput_IsWhatTheRepositoryHas(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	action := publishAs(p, "ghs_wrong")
	for range 2 {
		call := m.Call()
		call.Files = exercise.Files(t, map[string]string{"a": "1"})
		_, _, err := do(t, action, call, everything())
		require.NoError(t, err)
	}
	for effect, did := range effects(p) {
		require.EqualValues(t, 1, did, effect)
	}
	var repo struct {
		Collaborators, Teams map[string]string
		CustomProperties     map[string]any
		Settings             map[string]any
		Variables            map[string]struct{ Value string }
		Secrets              map[string]struct{ Digest string }
		Subject              struct {
			IncludeClaimKeys []string `json:"include_claim_keys"`
		}
		Subscriptions map[string]struct{ Subscribed, Ignored bool }
		Protection    map[string]struct {
			Restrictions struct{ Users, Teams, Apps []string }
			Reviews      struct {
				Count  int                                   `json:"required_approving_review_count"`
				Bypass struct{ Users, Teams, Apps []string } `json:"bypass_pull_request_allowances"`
			} `json:"required_pull_request_reviews"`
			Signatures bool `json:"required_signatures"`
		}
	}
	require.Equal(t, http.StatusOK, p.Call(http.MethodGet, p.Endpoint("github")+"/_sandbox/repos/acme-org/shop", auth, nil, &repo))
	require.Equal(t, map[string]string{"jonas": "maintain"}, repo.Collaborators)
	require.Equal(t, map[string]string{"payments-team": "admin", "audit": "pull"}, repo.Teams)
	require.Equal(t, map[string]any{"gildway-run": m.Call().Key, "tier": "gold", "languages": []any{"go"}}, repo.CustomProperties)
	require.Equal(t, true, repo.Settings["allow_update_branch"])
	require.Equal(t, "PR_TITLE", repo.Settings["squash_merge_commit_title"])
	require.Equal(t, "BLANK", repo.Settings["squash_merge_commit_message"])
	require.Equal(t, "eu", repo.Variables["REGION"].Value)
	sum := sha256.Sum256([]byte(npmToken))
	require.Equal(t, hex.EncodeToString(sum[:]), repo.Secrets["NPM_TOKEN"].Digest)
	require.Equal(t, []string{"repo", "context"}, repo.Subject.IncludeClaimKeys)
	require.True(t, repo.Subscriptions["rosa"].Subscribed)
	main := repo.Protection["main"]
	require.Equal(t, []string{"payments-team"}, main.Restrictions.Teams)
	require.Equal(t, []string{"ci"}, main.Reviews.Bypass.Apps)
	require.Equal(t, 1, main.Reviews.Count)
	require.True(t, main.Signatures)
}

func publishAs(p *exercise.Providers, token string) activities.Action { return actions(p, token)[0] }

func actions(p *exercise.Providers, token string) []activities.Action {
	return github.New(github.Config{Hosts: map[string]github.Host{
		"github.com": {APIBaseURL: p.Endpoint("github"), Token: secrets.New(token)},
	}}).Actions()
}

func TestPublish_WhatCannotBeSet_IsAWarningWhereBackstageWarns(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	call := m.Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	var warned []string
	call.LogAt = func(level activities.LogLevel, text string, _ map[string]any) {
		require.Equal(t, activities.LogWarn, level)
		warned = append(warned, text)
	}
	_, _, err := do(t, publish(p), call, map[string]any{"repoUrl": repoURL, "requiredApprovingReviewCount": 7, "collaborators": []any{
		map[string]any{"user": "nobody", "access": "push"}, map[string]any{"team": "audit", "access": "owner"},
		map[string]any{"user": "user:default/..", "access": "push"}, map[string]any{"user": "rosa", "access": "push"},
	}})
	require.NoError(t, err)
	require.Len(t, warned, 4)
	require.True(t, strings.HasPrefix(warned[0], "Skipping push access for nobody: "))
	require.True(t, strings.HasPrefix(warned[1], "Skipping owner access for audit: "))
	require.True(t, strings.HasPrefix(warned[2], "Skipping push access for ..: "))
	require.True(t, strings.HasPrefix(warned[3], "The default branch could not be protected: "))
	require.EqualValues(t, 1, p.Did("github.collaborator.granted", "acme-org/shop/rosa"))
}

func TestPublish_WhatCannotBeSet_FailsTheStepWhereBackstageFails(t *testing.T) {
	t.Parallel()
	for path, input := range map[string]map[string]any{
		"PUT " + shop + "/collaborators/rosa":             {"access": "rosa"},
		"POST " + shop + "/actions/variables":             {"repoVariables": map[string]any{"A": "1"}},
		"PUT " + shop + "/actions/secrets/A":              {"secrets": map[string]any{"A": "1"}},
		"PUT " + shop + "/actions/oidc/customization/sub": {"oidcCustomization": map[string]any{"useDefault": true}},
		"PUT " + shop + "/subscription":                   {"subscribe": true},
	} {
		p := exercise.StartProviders(t)
		call := exercise.NewMemory().Call()
		call.Files = exercise.Files(t, map[string]string{"a": "1"})
		method, at, _ := strings.Cut(path, " ")
		p.Fail("github", method, at, http.StatusForbidden)
		input["repoUrl"] = repoURL
		_, _, err := do(t, publish(p), call, input)
		require.ErrorIs(t, err, fault.Denied, path)
		require.Contains(t, fault.From(err).Public, "acme-org/shop", path)
		require.Zero(t, p.Did("github.push", ""), "its workflows would run without what they need")
	}
}

func TestPublish_VariableOfAnEarlierAttempt_GetsTheNewValue(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	m := exercise.NewMemory()
	for _, value := range []string{"old", "new", "new"} {
		call := m.Call()
		call.Files = exercise.Files(t, map[string]string{"a": "1"})
		_, _, err := do(t, publish(p), call, map[string]any{"repoUrl": repoURL, "repoVariables": map[string]any{"A": value}})
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, p.Did("github.variable.set", "acme-org/shop/A"))
}

func TestUndo_WhatAStepsOwnTokenMade(t *testing.T) {
	t.Parallel()
	with, err := json.Marshal(map[string]any{"repoUrl": repoURL, "token": exercise.Tokens.GitHubPerson})
	require.NoError(t, err)
	without, err := json.Marshal(map[string]any{"repoUrl": repoURL})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		token string // of the integration
		input json.RawMessage
		left  bool
	}{
		"the integration undoes it when the token is gone":    {exercise.Tokens.GitHub, without, false},
		"the token undoes what the integration can't see":     {"ghs_wrong", with, false},
		"without either nobody says that it is gone":          {"ghs_wrong", without, true},
		"an integration without a token says it neither":      {"", without, true},
		"nor does it keep a token that is there from undoing": {"", with, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := exercise.StartProviders(t)
			m := exercise.NewMemory()
			call := m.Call()
			call.Files = exercise.Files(t, map[string]string{"a": "1"})
			_, raw, err := do(t, publishAs(p, c.token), call, map[string]any{"repoUrl": repoURL, "token": exercise.Tokens.GitHubPerson})
			require.NoError(t, err)
			require.Equal(t, c.token != exercise.Tokens.GitHub, strings.Contains(strings.Join(m.Lines(), "\n"), "can't see acme-org/shop"))
			err = publishAs(p, c.token).Undo(t.Context(), m.Call(), c.input, raw, "because")
			_, there := description(p)
			require.Equal(t, c.left, there)
			if c.left {
				require.ErrorIs(t, err, fault.Denied)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestPreview_EveryInput_ShowsNamesAndNoSecrets(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	call := exercise.NewMemory().Call()
	call.Files = exercise.Files(t, map[string]string{"a": "1"})
	in, err := json.Marshal(everything())
	require.NoError(t, err)
	preview, err := publish(p).Preview(t.Context(), call, in)
	require.NoError(t, err)
	require.Equal(t, []string{
		"create the private repository https://github.com/acme-org/shop", "push the workspace to its branch main",
		"give acme-org/payments-team admin access", "give jonas maintain access", "give audit pull access", "set its topics to golden",
		"set its custom properties languages, tier", "set its variables REGION, TIER", "set its secrets NPM_TOKEN",
		"customize the OIDC subject of its workflows", "watch it", "protect the branch, with 1 approving reviews and signed commits required",
	}, preview.Would)
}

func TestForesee_AccessForNobody_IsNotFound(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	call := exercise.NewMemory().Call()
	for access, fails := range map[string]bool{"acme-org/nobody": true, "acme-org/audit": false, "<the team>": false} {
		in, err := json.Marshal(map[string]any{"repoUrl": repoURL, "access": access})
		require.NoError(t, err)
		_, err = publish(p).Foresee(t.Context(), call, in)
		require.Equal(t, fails, err != nil, access)
	}
	p.Throttle("github")(time.Second)
	_, err := publish(p).Foresee(t.Context(), call, json.RawMessage(`{"repoUrl":"`+repoURL+`","access":"rosa"}`))
	require.ErrorIs(t, err, fault.RateLimited)
}
