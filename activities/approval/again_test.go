package approval_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

func TestOpen_ApprovedBefore_AsksAgainUnlessAllIsTheSame(t *testing.T) {
	t.Parallel()
	stranger := newDesk(t)
	for name, c := range map[string]struct {
		said    func(*identity.Statement)
		before  func(*plan.Decision)
		in      func(*activities.GateInvocation)
		forged  bool
		asksNot bool
	}{
		"the same":                     {asksNot: true},
		"the same, a day ago":          {said: func(s *identity.Statement) { s.IssuedAt = time.Now().Add(-48 * time.Hour) }, asksNot: true},
		"another plan or other values": {in: func(in *activities.GateInvocation) { in.Digest = "sha256:other" }},
		"something else is shown":      {in: func(in *activities.GateInvocation) { in.Behind = []activities.Behind{{ID: "x"}} }},
		"another step":                 {said: func(s *identity.Statement) { s.Gate = task + ".other" }},
		"another task":                 {said: func(s *identity.Statement) { s.Task = "other" }},
		"of this attempt":              {said: func(s *identity.Statement) { s.Gate = activities.GateID(task, 1, "approve") }},
		"rejected":                     {said: func(s *identity.Statement) { s.Verdict = "reject" }, before: func(d *plan.Decision) { d.Verdict = plan.Reject }},
		"said no, told as a yes":       {said: func(s *identity.Statement) { s.Verdict = "reject" }},
		"said by somebody else":        {said: func(s *identity.Statement) { s.Approver = "user:default/li" }},
		"the requester":                {said: func(s *identity.Statement) { s.Approver = rosa }, before: func(d *plan.Decision) { d.By = rosa }},
		"too few": {in: func(in *activities.GateInvocation) {
			in.Input = json.RawMessage(`{"approvers":["` + owners + `"],"required":2}`)
		}},
		"forged": {forged: true},
	} {
		d := newDesk(t)
		in := invocation(t, activities.ApprovalInput{Approvers: []string{owners}})
		in.Written = json.RawMessage(`{}`)
		first, err := d.Open(t.Context(), in)
		require.NoError(t, err)
		signs := d
		if c.forged {
			signs = stranger
		}
		was := plan.Decision{By: amir, As: owners, Verdict: plan.Approve, Nonce: "n1", At: time.Now()}
		statement := signs.statement(t, func(s *identity.Statement) {
			s.Nonce, s.Shown = "n1", first.Shown
			if c.said != nil {
				c.said(s)
			}
			if !s.IssuedAt.IsZero() {
				was.At = s.IssuedAt
			}
		})
		if c.before != nil {
			c.before(&was)
		}
		in.Run.Attempt, in.Said = 1, []plan.Said{{Decision: was, Statement: statement}}
		if c.in != nil {
			c.in(&in)
		}
		d.refused, d.opened = nil, nil
		again, err := d.Open(t.Context(), in)
		if c.asksNot {
			require.NoError(t, err, name)
			require.True(t, again.Again, name)
			require.Empty(t, d.opened, name)
			require.Contains(t, d.lines[len(d.lines)-1], "Approved in an earlier attempt by "+amir, name)
			continue
		}
		require.NoError(t, err, name)
		require.False(t, again.Again, name)
		require.Len(t, d.opened, 1, name)
	}
}
