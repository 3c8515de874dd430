//go:build linux

package main_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// lending is a template that a Backstage would run: it reads the token of whoever runs it, and calls a provider.
const lending = `apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: lending}
spec:
  owner: group:default/platform-team
  type: service
  steps:
    - {id: token, name: Token, action: "debug:log", each: [one], if: "${{ secrets.backstageToken | length > 100 }}", input: {message: "the token is there: ${{ secrets.backstageToken }}"}}
    - {id: membership, name: Membership, action: "okta:group:add-member", input: {group: llm-gateway-users}}
    - {id: never, name: Never, action: "debug:log", if: "${{ always() }}", input: {message: never}}
`

func TestBackstageTemplate_TokenIsLent_AndWhatIsDoneInSpiteOfACancelFails(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.registerTemplate(t, "lending-templates", lending)
	p := s.newcomer(t, "lena")
	adding := s.delay(t, "okta", http.MethodPut, s.membership(t, "llm-gateway-users", p), 4000)
	id, err := p.SubmitTask(t.Context(), "template:default/lending", json.RawMessage(`{}`))
	require.NoError(t, err)
	adding.arrives(t)
	code, said := p.ask(t, http.MethodPost, tasksPath+"/"+id+"/cancel", "")
	require.Equal(t, http.StatusOK, code, string(said))

	r := run{p, id}
	events := r.follow(t)
	require.Contains(t, saidOf(events, "token"), "***", "a text made with a secret is one")
	require.NotContains(t, saidOf(events, "token"), p.token)
	require.Contains(t, saidOf(events, "token"), "Running step each")
	cancelled := "Step membership (Membership) of task " + id + " has been cancelled."
	require.Contains(t, saidOf(events, "membership"), "Error: "+cancelled)
	require.Equal(t, cancelled, events[len(events)-1].Body.Error.Message)
	require.Equal(t, map[string]string{"token": "completed", "membership": "failed", "never": "skipped"}, r.states(t))
	require.Contains(t, s.oktaMembers(t, "llm-gateway-users"), p.login(), "it was done, and v1beta3 undoes nothing")
}
