package approval_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

const (
	li    = "user:default/li"
	bo    = "user:default/bo"
	audit = "group:default/audit"
)

// earlierAttempt is what an attempt is told of the one before, by whoever starts it, and what the gate has really counted.
type earlierAttempt struct {
	in      *activities.GateInvocation
	counted []plan.Decision
	at      time.Time
	says    func(by string, v plan.Verdict, change ...func(*identity.Statement)) // adds a genuine statement, counted and told
}

func (e *earlierAttempt) told(i int) *plan.Decision { return &e.in.Said[i].Decision }

// both changes a decision where the attempt is told of it, and in the register.
func (e *earlierAttempt) both(i int, change func(*plan.Decision)) {
	change(e.told(i))
	change(&e.counted[i])
}

func TestOpen_ApprovedBefore_AsksAgainUnlessAllIsTheSame(t *testing.T) {
	t.Parallel()
	one := activities.ApprovalInput{Approvers: []string{owners}}
	two := activities.ApprovalInput{Approvers: []string{owners}, Required: 2}
	most := activities.ApprovalInput{Approvers: []string{owners}, Rule: "majority", Of: 3}
	each := activities.ApprovalInput{Approvers: []string{owners, audit}, Rule: "all"}
	stages := activities.ApprovalInput{Stages: []activities.StageInput{{Approvers: []string{owners}}, {Approvers: []string{audit}}}}
	late := activities.ApprovalInput{Approvers: []string{owners}, Timeout: "1d", OnTimeout: "escalate", EscalateTo: []string{audit}}
	yes := func(e *earlierAttempt) { e.says(amir, plan.Approve) }
	lent := func(e *earlierAttempt) {
		e.says(amir, plan.Delegate, func(s *identity.Statement) { s.To = bo })
		e.says(bo, plan.Approve)
		e.both(len(e.counted)-1, func(d *plan.Decision) { d.For = amir })
	}
	for name, c := range map[string]struct {
		asked activities.ApprovalInput
		tell  func(*earlierAttempt)
		kept  bool
	}{
		"the same": {one, yes, true},
		"the same, a day ago": {one, func(e *earlierAttempt) {
			e.at = time.Now().Add(-48 * time.Hour)
			yes(e)
		}, true},
		"by link": {one, func(e *earlierAttempt) {
			e.says(amir, plan.Approve, func(s *identity.Statement) { s.Via = "link" })
		}, true},
		"two people": {two, func(e *earlierAttempt) { yes(e); e.says(li, plan.Approve) }, true},
		"two stages": {stages, func(e *earlierAttempt) {
			yes(e)
			e.says("user:default/odile", plan.Approve)
			e.both(1, func(d *plan.Decision) { d.As, d.Stage = audit, 1 })
		}, true},
		"in another's place": {one, lent, true},
		"in spite of one":    {most, func(e *earlierAttempt) { yes(e); e.says(bo, plan.Reject); e.says(li, plan.Approve) }, true},
		"by who may since it was late": {late, func(e *earlierAttempt) {
			e.says("user:default/odile", plan.Approve)
			e.both(0, func(d *plan.Decision) { d.As = audit })
		}, true},

		"another plan or other values": {one, func(e *earlierAttempt) { yes(e); e.in.Digest = "sha256:other" }, false},
		"something else is shown":      {one, func(e *earlierAttempt) { yes(e); e.in.Behind = []activities.Behind{{ID: "x"}} }, false},
		"another step": {one, func(e *earlierAttempt) {
			e.says(amir, plan.Approve, func(s *identity.Statement) { s.Gate = task + ".other" })
		}, false},
		"another task": {one, func(e *earlierAttempt) {
			e.says(amir, plan.Approve, func(s *identity.Statement) { s.Task = "other" })
		}, false},
		"of this attempt": {one, func(e *earlierAttempt) {
			e.says(amir, plan.Approve, func(s *identity.Statement) { s.Gate = activities.GateID(task, 1, "approve") })
		}, false},
		"rejected": {one, func(e *earlierAttempt) { e.says(amir, plan.Reject) }, false},
		"said no, told as a yes": {one, func(e *earlierAttempt) {
			e.says(amir, plan.Reject)
			e.both(0, func(d *plan.Decision) { d.Verdict = plan.Approve })
		}, false},
		"said by somebody else": {one, func(e *earlierAttempt) {
			e.says(li, plan.Approve)
			e.both(0, func(d *plan.Decision) { d.By = amir })
		}, false},
		"the requester": {one, func(e *earlierAttempt) { e.says(rosa, plan.Approve) }, false},
		"too few":       {two, yes, false},
		"forged": {one, func(e *earlierAttempt) {
			yes(e)
			e.in.Said[0].Statement = newDesk(t).statement(t, func(*identity.Statement) {})
		}, false},

		"told with other words":   {one, func(e *earlierAttempt) { yes(e); e.told(0).Comment = "never said" }, false},
		"valid when told so only": {one, func(e *earlierAttempt) { yes(e); e.both(0, func(d *plan.Decision) { d.At = d.At.Add(time.Hour) }) }, false},
		"signed and never counted": {one, func(e *earlierAttempt) {
			yes(e)
			e.counted = nil
		}, false},
		"one of them never counted": {two, func(e *earlierAttempt) {
			yes(e)
			e.says(li, plan.Approve)
			e.counted = e.counted[:1]
		}, false},
		"counted as something else": {one, func(e *earlierAttempt) { yes(e); e.counted[0].Verdict = plan.Reject }, false},
		"a change of mind left out": {most, func(e *earlierAttempt) {
			yes(e)
			e.says(amir, plan.Reject)
			e.says(li, plan.Approve)
			e.in.Said = slices.Delete(e.in.Said, 1, 2)
		}, false},
		"one statement for two people": {two, func(e *earlierAttempt) { yes(e); e.again(); e.both(1, func(d *plan.Decision) { d.By = li }) }, false},
		"one statement for two stages": {stages, func(e *earlierAttempt) {
			yes(e)
			e.again()
			e.both(1, func(d *plan.Decision) { d.As, d.Stage = audit, 1 })
		}, false},
		"one statement for each of all": {each, func(e *earlierAttempt) { yes(e); e.again(); e.both(1, func(d *plan.Decision) { d.As = audit }) }, false},
		"counted once, told for each":   {each, func(e *earlierAttempt) { yes(e); e.again(); e.told(1).As = audit; e.counted = e.counted[:1] }, false},
		"another stage": {stages, func(e *earlierAttempt) {
			yes(e)
			e.says(li, plan.Approve)
			e.told(1).As, e.told(1).Stage = audit, 1
		}, false},
		"another role":           {each, func(e *earlierAttempt) { yes(e); e.says(li, plan.Approve); e.told(1).As = audit }, false},
		"a role that nobody has": {one, func(e *earlierAttempt) { yes(e); e.both(0, func(d *plan.Decision) { d.As = "group:default/others" }) }, false},
		"the role of a person":   {activities.ApprovalInput{Approvers: []string{li}}, func(e *earlierAttempt) { yes(e); e.both(0, func(d *plan.Decision) { d.As = li }) }, false},
		"in nobody's place":      {one, func(e *earlierAttempt) { yes(e); e.both(0, func(d *plan.Decision) { d.For = li }) }, false},
		"lent to somebody else":  {one, func(e *earlierAttempt) { lent(e); e.both(0, func(d *plan.Decision) { d.To = "user:default/kim" }) }, false},
		"lent after having said": {two, func(e *earlierAttempt) {
			yes(e)
			lent(e)
			e.both(2, func(d *plan.Decision) { d.For = amir })
			e.counted[1].For, e.told(1).For = "", ""
		}, false},
		"of two attempts at once": {two, func(e *earlierAttempt) {
			yes(e)
			e.says(li, plan.Approve, func(s *identity.Statement) { s.Gate = activities.GateID(task, 1, "approve") })
		}, false},
	} {
		d := newDesk(t)
		in := invocation(t, c.asked)
		in.Written = json.RawMessage(`{}`)
		first, err := d.Open(t.Context(), in)
		require.NoError(t, err, name)
		in.Run.Attempt = 1
		e := &earlierAttempt{in: &in, at: time.Now()}
		e.says = func(by string, v plan.Verdict, change ...func(*identity.Statement)) {
			e.at = e.at.Add(time.Second).Truncate(time.Second).UTC()
			was := plan.Decision{By: by, As: owners, Verdict: v, Comment: "ok", Nonce: by + string(v), At: e.at}
			statement := d.statement(t, func(s *identity.Statement) {
				s.Approver, s.Verdict, s.Nonce, s.Shown, s.IssuedAt = by, string(v), was.Nonce, first.Shown, was.At
				for _, c := range change {
					c(s)
				}
				was.To, was.Via = s.To, s.Via
			})
			in.Said = append(in.Said, plan.Said{Decision: was, Statement: statement})
			was.Via = ""
			e.counted = append(e.counted, was)
		}
		c.tell(e)
		d.counted = map[string][]plan.Decision{gateID: e.counted, task + ".other": e.counted, activities.GateID(task, 1, "approve"): e.counted}
		d.refused, d.opened = nil, nil
		again, err := d.Open(t.Context(), in)
		require.NoError(t, err, name)
		require.Equal(t, c.kept, again.Again, name)
		if c.kept {
			require.Empty(t, d.opened, name)
			require.Contains(t, d.lines[len(d.lines)-1], "Approved in an earlier attempt by ", name)
		} else {
			require.Len(t, d.opened, 1, name)
		}
	}
}

// again tells the last statement once more, in the attempt and in the register.
func (e *earlierAttempt) again() {
	e.in.Said = append(e.in.Said, e.in.Said[len(e.in.Said)-1])
	e.counted = append(e.counted, e.counted[len(e.counted)-1])
}

func TestOpen_ApprovedBefore_RegisterAway_IsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := invocation(t, activities.ApprovalInput{Approvers: []string{owners}})
	at := time.Now().Truncate(time.Second).UTC()
	in.Run.Attempt = 1
	in.Said = []plan.Said{{Decision: plan.Decision{By: amir, At: at}, Statement: d.statement(t, func(s *identity.Statement) { s.IssuedAt = at })}}
	d.down = fault.New(fault.Unavailable, "down")
	_, err := d.Open(t.Context(), in)
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
	require.Empty(t, d.opened, "nobody is asked before it is known")
}
