package dryrun_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/templates"
)

const underWay = `
steps:
  - {id: file, action: "catalog:write", input: {entity: {kind: Component}}}
  - {id: ticket, action: "itsm:ticket:open", input: {title: First}}
  - {id: read, action: "fs:readdir", input: {paths: [.], recursive: true}}
  - {id: gone, action: "fs:rename", input: {files: [{from: no, to: x}]}}
  - {id: close, action: "itsm:ticket:update", input: {ticketId: "${{ steps.ticket.output.ticketId }}", state: resolved}}
  - {id: say, action: "debug:log", input: {message: "read ${{ steps.read.output.files }}"}}`

func online(r *dryrun.Request) { r.Offline = false }

func TestRun_StepsThatAreDone_GiveWhatTheyGave(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V3, underWay, online, func(r *dryrun.Request) {
		r.Tolerant = true
		r.Done = map[string]json.RawMessage{"file": json.RawMessage(`{}`), "ticket": json.RawMessage(`{"ticketId":"SCTASK7"}`)}
	})
	require.NoError(t, err)
	require.Nil(t, r.Failure)
	require.Equal(t, []dryrun.Effect{{Step: "close", Action: "itsm:ticket:update", Would: run.Would{Do: []string{`move the ticket SCTASK7 to "resolved"`}}}}, r.Effects,
		"the ticket is there, and a step that can't be tried holds nothing up")
	require.Equal(t, dryrun.Skipped, states(r)["gone"])
	require.Contains(t, said(r), "catalog-info.yaml", "files of steps that are done are there")

	again, err := try(t, templates.V3, underWay, online, func(r *dryrun.Request) { r.Tolerant = true })
	require.NoError(t, err)
	require.Len(t, again.Effects, 2)

	strict, err := try(t, templates.V3, underWay, online)
	require.NoError(t, err)
	require.NotNil(t, strict.Failure)
}
