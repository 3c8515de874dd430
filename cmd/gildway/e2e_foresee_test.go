//go:build linux

package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

const foreseen = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: foreseen, title: Foreseen}
spec:
  owner: group:default/platform-team
  type: service
  parameters:
    title: Values
    properties: {service: {type: string}}
  steps:
    - {id: ok, name: Approval, action: "approval:request", input: {approvers: ["group:default/ml-platform-team"], reason: Please}}
    - id: look
      name: Look
      action: catalog:fetch
      input: {entityRef: "component:default/${{ parameters.service }}", optional: true}
    - id: ticket
      name: Ticket
      action: itsm:ticket:open
      input:
        title: Tell the owner of ${{ steps.look.output.entity.metadata.title or "nobody" }}
`

// What approvers see is what a dry run says; when the world has changed until they approve, they are asked again.
func TestApproval_WorldHasChanged_AsksAgain(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.registerTemplate(t, "foreseen", foreseen)
	p := s.newcomer(t, "fenja")
	r := p.submit(t, "foreseen", map[string]any{"service": "later-there"})
	seen := func() client.Approval {
		a, err := s.role("approver").Approval(t.Context(), r.gate(t).ID)
		require.NoError(t, err)
		require.NotNil(t, a.Value.Seen)
		require.Empty(t, a.Value.Seen.Unforeseen)
		return a.Value
	}
	first := seen()
	require.JSONEq(t, `{"service":"later-there"}`, string(first.Seen.Values))
	require.Equal(t, `open the ticket "Tell the owner of nobody" in ServiceNow, for `+p.ref(), first.Seen.Effects[0].Would[0])

	s.registerTemplate(t, "later-there", "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: later-there, title: The Shop}\n"+
		"spec: {type: service, lifecycle: production, owner: group:default/platform-team}\n")
	r.approve(t)
	eventually(t, "the approval to ask again", func() bool { return seen().Shown != first.Shown })
	second := seen()
	require.Contains(t, second.Seen.Effects[0].Would[0], "Tell the owner of The Shop")
	require.Equal(t, "pending", second.State)
	require.Empty(t, s.effects(t, "The Shop"), "nobody has approved this")
	require.Equal(t, 1, s.audited(t, r.id, "approval-reopened"))

	// The second time by a link, as in a browser, about what is shown now.
	said := s.role("approver").types(t, "approval", "link", second.ID)
	require.Zero(t, said.code, said.err)
	_, token, found := strings.Cut(strings.Fields(strings.Split(said.out, "\n")[1])[0], "/approve#")
	require.True(t, found, said.out)
	linked := person{stack: s, name: "approver", token: token}
	path := "/api/gildway/v1/approvals/" + second.ID + "/decision"
	code, body := linked.ask(t, http.MethodPost, path, `{"decision":"approve","shown":"`+first.Shown+`"}`)
	require.Equal(t, http.StatusConflict, code, string(body))
	code, body = linked.ask(t, http.MethodPost, path, `{"decision":"approve","shown":"`+second.Shown+`"}`)
	require.Equal(t, http.StatusOK, code, string(body))
	r.completes(t)
	require.Equal(t, 1, s.auditedOf(t, r.id, "approval-decided", `"via":"link"`))
	require.Equal(t, 2, s.audited(t, r.id, "approval-decided"))
}
