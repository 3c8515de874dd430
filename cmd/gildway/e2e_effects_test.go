//go:build linux

package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/faults"
)

// effects are what the providers counted for resources that name one of the words: "effect resource" → times. What people
// were told is no effect of a run.
func (s *localStack) effects(t *testing.T, words ...string) map[string]int64 {
	t.Helper()
	var counts struct {
		Effects map[string]struct{ By map[string]int64 }
	}
	getJSON(t, s.endpoints.Sandbox["faults"]+"/counts", "", &counts)
	found := map[string]int64{}
	for effect, e := range counts.Effects {
		if strings.HasPrefix(effect, "mail.") || strings.HasPrefix(effect, "slack.") {
			continue
		}
		for resource, n := range e.By {
			for _, word := range words {
				if strings.Contains(resource, word) {
					found[effect+" "+strings.Replace(resource, s.sandbox(), "SANDBOX", 1)] = n
				}
			}
		}
	}
	return found
}

func (s *localStack) sandbox() string {
	return strings.TrimSuffix(s.endpoints.Sandbox["faults"], "/faults")
}

// hold makes the next request that fits wait until its client is gone.
func (s *localStack) hold(t *testing.T, provider, method, path string) heldRequest {
	t.Helper()
	return s.delay(t, provider, method, path, 600_000) // longer than any client waits
}

func (s *localStack) delay(t *testing.T, provider, method, path string, milliseconds int) heldRequest {
	t.Helper()
	raw, err := json.Marshal(faults.Rule{
		Provider: provider, Method: method, Path: path, Kind: faults.Delay, DelayMs: milliseconds, Times: 1,
	})
	require.NoError(t, err)
	answer, err := http.Post(s.endpoints.Sandbox["faults"]+"/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
	var rule faults.Rule
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&rule))
	return heldRequest{s, rule}
}

// heldRequest is a request that a provider leaves waiting.
type heldRequest struct {
	stack *localStack
	rule  faults.Rule
}

// arrives waits until the request is there and waits.
func (h heldRequest) arrives(t *testing.T) {
	t.Helper()
	eventually(t, h.rule.Method+" "+h.rule.Path, func() bool {
		var open []faults.Rule
		getJSON(t, h.stack.endpoints.Sandbox["faults"]+"/rules", "", &open)
		for _, rule := range open {
			if rule.ID == h.rule.ID {
				return false
			}
		}
		return true
	})
}

// oktaGroup is the id of a group.
func (s *localStack) oktaGroup(t *testing.T, name string) string {
	t.Helper()
	var groups []struct {
		ID      string
		Profile struct{ Name string }
	}
	getJSON(t, s.endpoints.Sandbox["okta"]+"/api/v1/groups?q="+name, "SSWS "+s.endpoints.Providers["okta"], &groups)
	for _, g := range groups {
		if g.Profile.Name == name {
			return g.ID
		}
	}
	t.Fatalf("Okta has no group %s", name)
	return ""
}

func (s *localStack) oktaUser(t *testing.T, login string) string {
	t.Helper()
	var user struct{ ID string }
	getJSON(t, s.endpoints.Sandbox["okta"]+"/api/v1/users/"+login, "SSWS "+s.endpoints.Providers["okta"], &user)
	return user.ID
}

func (s *localStack) oktaMembers(t *testing.T, group string) (logins []string) {
	t.Helper()
	var users []struct{ Profile struct{ Login string } }
	getJSON(t, s.endpoints.Sandbox["okta"]+"/api/v1/groups/"+s.oktaGroup(t, group)+"/users?limit=200", "SSWS "+s.endpoints.Providers["okta"], &users)
	for _, u := range users {
		logins = append(logins, u.Profile.Login)
	}
	return logins
}

// membership is the path under which somebody is added to a group.
func (s *localStack) membership(t *testing.T, group string, p person) string {
	t.Helper()
	return "/api/v1/groups/" + s.oktaGroup(t, group) + "/users/" + s.oktaUser(t, p.login())
}
