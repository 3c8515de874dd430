//go:build linux

package main_test

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

func TestGoldenPath_Service_ExistsEverywhereOnce(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "sam")
	r := p.submitService(t, "invoice-mailer")
	events := r.completes(t)

	files := shared(t).clone(t, "acme-org/invoice-mailer")
	require.Subset(t, files, []string{"catalog-info.yaml", "package.json", "Dockerfile", ".github/workflows/ci.yaml"})
	require.Equal(t, p.team, shared(t).ownerInCatalog(t, "invoice-mailer"))
	require.Contains(t, shared(t).oktaMembers(t, "ai-coding-assistants"), p.login())
	requireOneKey(t, r, "provision-ai-access")
	require.Equal(t, serviceEffects("invoice-mailer", p), shared(t).effects(t, "invoice-mailer", p.login(), r.id))

	links := linksOf(t, events)
	require.Equal(t, shared(t).endpoints.Sandbox["github"]+"/acme-org/invoice-mailer.git", links["Open Repository"].URL)
	require.Equal(t, "component:default/invoice-mailer", links["View in Catalog"].EntityRef)
}

func TestGoldenPath_ServiceWithoutAssistant_GrantsNothing(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "una")
	r := p.submit(t, servicePath, map[string]any{"name": "plain-service", "owner": p.team, "description": "No AI", "enableAIAssistant": false})
	r.completes(t)
	require.Equal(t, "skipped", r.states(t)["provision-ai-access"])
	want := serviceEffects("plain-service", p)
	delete(want, "okta.membership.added ai-coding-assistants/"+p.login())
	require.Equal(t, want, shared(t).effects(t, "plain-service", p.login(), r.id))
	require.Zero(t, tokensOf(t, r, "provision-ai-access"))
}

func TestGoldenPath_AccessWithFewTokens_NeedsNobody(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "fay")
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	require.Equal(t, "skipped", r.states(t)["approval"])
	requireAccess(t, r)
}

func TestGoldenPath_AccessWithManyTokens_WaitsForTheOwner(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "mia")
	r := p.submitAccess(t, manyTokens)
	gate := r.gate(t)
	require.Equal(t, []string{"group:default/ml-platform-team"}, gate.Approvers)
	require.Equal(t, p.ref(), gate.Requester)
	states := r.states(t)
	require.Equal(t, "processing", states["approval"])
	require.Equal(t, "open", states["membership"])
	require.Equal(t, "open", states["key"])
	require.Empty(t, shared(t).effects(t, p.login()), "nothing is granted before the decision")
	require.Zero(t, tokensOf(t, r, "key"))

	r.approve(t)
	r.completes(t)
	require.Equal(t, "completed", r.states(t)["approval"])
	requireAccess(t, r)
}

func TestGoldenPath_AccessRejected_GrantsNothing(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "rex")
	r := p.submitAccess(t, manyTokens)
	require.NoError(t, shared(t).role("approver").Decide(t.Context(), r.gate(t).ID, "reject", "not this quarter"))
	events := r.follow(t)
	failure := events[len(events)-1].Body.Error
	require.NotNil(t, failure)
	require.Contains(t, failure.Message, "not this quarter")
	require.Equal(t, map[string]int64{
		"servicenow.sc_task.created " + r.id + "/ticket": 1,
		"servicenow.sc_task.updated " + r.id + "/ticket": 1, // cancelled: the run takes back what it did
	}, shared(t).effects(t, p.login(), r.id))
	require.Zero(t, tokensOf(t, r, "key"))
}

func TestGoldenPath_Pipeline_HasTheFilesOfEveryFetch(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "dan")
	r := p.submit(t, pipelinePath, map[string]any{"name": "churn-model", "owner": p.team, "description": "Who leaves", "framework": "xgboost"})
	r.completes(t)
	files := shared(t).clone(t, "acme-org/churn-model")
	require.Subset(t, files, []string{"README.md", "pipeline/pyproject.toml", "infra/cronjob.yaml", "catalog-info.yaml"})
	require.Equal(t, p.team, shared(t).ownerInCatalog(t, "churn-model"))
	want := serviceEffects("churn-model", p)
	delete(want, "okta.membership.added ai-coding-assistants/"+p.login())
	want["github.topics.set acme-org/churn-model"] = 1
	require.Equal(t, want, shared(t).effects(t, "churn-model", p.login(), r.id))
}

// serviceEffects are all effects of a new service for a team of one.
func serviceEffects(name string, p person) map[string]int64 {
	return map[string]int64{
		"github.repo.created acme-org/" + name:                                                      1,
		"github.push acme-org/" + name:                                                              1,
		"github.protection.set acme-org/" + name + "/main":                                          1,
		"catalog.location.created SANDBOX/github/acme-org/" + name + "/tree/main/catalog-info.yaml": 1,
		"catalog.entity.created component:default/" + name:                                          1,
		"okta.membership.added ai-coding-assistants/" + p.login():                                   1,
	}
}

// requireAccess checks that a request for access was fulfilled, once.
func requireAccess(t *testing.T, r run) {
	t.Helper()
	s := r.by.stack
	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), r.by.login())
	requireOneKey(t, r, "key")
	require.Equal(t, map[string]int64{
		"okta.membership.added llm-gateway-users/" + r.by.login(): 1,
		"servicenow.sc_task.created " + r.id + "/ticket":          1,
		"servicenow.sc_task.updated " + r.id + "/ticket":          1,
	}, s.effects(t, r.by.login(), r.id))

	eventually(t, "both grants to be listed with their ends", func() bool {
		leases, err := r.by.Leases(t.Context())
		require.NoError(t, err)
		active := map[string]int{}
		for _, l := range leases {
			if l.Task == r.id && l.State == "active" {
				active[l.Action]++
			}
		}
		return len(active) == 2 && active["okta:group:add-member"] == 1 && active["vault:mint-key"] == 1
	})
}

func (s *localStack) ownerInCatalog(t *testing.T, component string) string {
	t.Helper()
	var entity struct{ Spec struct{ Owner string } }
	getJSON(t, s.endpoints.Sandbox["catalog"]+"/entities/by-name/component/default/"+component, "Bearer "+s.endpoints.Providers["catalog"], &entity)
	return entity.Spec.Owner
}

type link struct{ Title, URL, EntityRef string }

func linksOf(t *testing.T, events []client.Event) map[string]link {
	t.Helper()
	var output struct{ Links []link }
	require.NoError(t, json.Unmarshal(events[len(events)-1].Body.Output, &output))
	links := map[string]link{}
	for _, l := range output.Links {
		links[l.Title] = l
	}
	return links
}

// clone checks a repository out with the git program and lists its files.
func (s *localStack) clone(t *testing.T, repo string) []string {
	t.Helper()
	address, err := url.Parse(s.endpoints.Sandbox["github"] + "/" + repo + ".git")
	require.NoError(t, err)
	address.User = url.UserPassword("x-access-token", s.endpoints.Providers["github"])
	dir := t.TempDir()
	said, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", address.String(), dir).CombinedOutput()
	require.NoError(t, err, string(said))
	list, err := exec.CommandContext(t.Context(), "git", "-C", dir, "ls-files").Output()
	require.NoError(t, err)
	return strings.Fields(string(list))
}
