package approval_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

const (
	task   = "0b5f5a52-6d0e-4b07-9a56-0d6d3c1c8f11"
	gateID = task + ".approve"
	digest = "sha256:abc"
	rosa   = "user:default/rosa"
	amir   = "user:default/amir"
	owners = "group:default/ml-platform-team"
)

// memory stands for the store.
type memory struct {
	opened    []approval.Opened
	notices   []notice.Notice
	escalated []string
	reopened  []string
	forecast  approval.Forecast
	used      map[string]string          // nonce -> gate and approver
	counted   map[string][]plan.Decision // by gate
	closed    string
	refused   []string
	lines     []string
	down      error
}

func (m *memory) OpenApproval(_ context.Context, o approval.Opened) error {
	m.opened = append(m.opened, o)
	return m.down
}

func (m *memory) EscalateApproval(_ context.Context, _ string, a plan.Approval, _ *time.Time) error {
	m.escalated = a.Everybody()
	return m.down
}

func (m *memory) ReopenApproval(_ context.Context, gate, before, shown string, _ json.RawMessage, _ *time.Time) error {
	m.reopened = append(m.reopened, gate, before, shown)
	return m.down
}

func (m *memory) Forecast(context.Context, activities.GateInvocation) (approval.Forecast, error) {
	return m.forecast, m.down
}

func (m *memory) Notify(_ context.Context, n notice.Notice) error {
	m.notices = append(m.notices, n)
	return m.down
}

func (m *memory) RecordDecision(_ context.Context, gate string, d plan.Decision) error {
	if was, used := m.used[d.Nonce]; used && was != gate+d.By {
		return fault.New(fault.Conflict, "used before")
	}
	m.used[d.Nonce] = gate + d.By
	return m.down
}

func (m *memory) Decisions(_ context.Context, gate string) ([]plan.Decision, error) {
	return slices.Clone(m.counted[gate]), m.down
}

func (m *memory) CloseApproval(_ context.Context, _, outcome, why string) error {
	m.closed = outcome + " " + why
	return m.down
}

func (m *memory) Log(_ context.Context, _, _, _, _, message string) error {
	m.lines = append(m.lines, message)
	return nil
}

func (m *memory) Audit(_ context.Context, _, _, kind, actor string, data map[string]any) error {
	if kind == "approval-automatic" {
		m.refused = append(m.refused, fmt.Sprintf("%s %s: %s (%s)", kind, actor, data["because"], data["if"]))
		return m.down
	}
	m.refused = append(m.refused, fmt.Sprintf("%s %s: %v", kind, actor, data["reason"]))
	return m.down
}

type people map[string][]string

func (p people) Groups(_ context.Context, user string) ([]string, error) {
	groups, known := p[user]
	if !known {
		return nil, fault.New(fault.NotFound, "nobody")
	}
	return groups, nil
}

type desk struct {
	*approval.Gate
	*memory
	signer *identity.Signer
	log    *bytes.Buffer
}

func newDesk(t *testing.T) desk {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := identity.NewSigner(private)
	require.NoError(t, err)
	verifier, err := identity.NewStatementVerifier(public)
	require.NoError(t, err)
	m := &memory{used: map[string]string{}}
	var log bytes.Buffer
	return desk{&approval.Gate{
		PublicURL: "https://gildway.acme.com",
		Approvals: m, Journal: m, Notifier: m, Forecaster: m, Verifier: verifier, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Directory: people{amir: {owners}, "user:default/li": {owners}, rosa: {owners}, "user:default/odile": {"group:default/audit"}, "user:default/bo": {}, "user:default/kim": {}},
	}, m, signer, &log}
}

func (d desk) statement(t *testing.T, change func(*identity.Statement)) string {
	t.Helper()
	st := identity.Statement{Approver: amir, Task: task, Gate: gateID, Digest: digest, Verdict: "approve", Comment: "ok"}
	change(&st)
	token, err := d.signer.Sign(st)
	require.NoError(t, err)
	return token
}

func asked(statement string) activities.DecideInput {
	return activities.DecideInput{
		Task: task, Gate: gateID, Digest: digest, Requester: rosa, Statement: statement,
		Approval: plan.Approval{Approvers: []string{owners}, Required: 1},
	}
}

func TestDecide_Member_IsCounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := asked(d.statement(t, func(*identity.Statement) {}))
	first, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Approved, first.Outcome)
	require.Equal(t, amir, first.Decision.By)
	require.Equal(t, owners, first.Decision.As)
	again, err := d.Decide(t.Context(), in) // another attempt of the same activity
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Empty(t, d.refused)

	in = asked(d.statement(t, func(s *identity.Statement) { s.Verdict, s.Comment = "reject", "no" }))
	no, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Rejected, no.Outcome)
	yes := amir + " approved (1 of 1) as a member of " + owners + ": ok"
	require.Equal(t, []string{yes, yes, amir + " rejected as a member of " + owners + ": no"}, d.lines)
}

func TestDecide_Quorum_NeedsDifferentPeople(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := asked(d.statement(t, func(*identity.Statement) {}))
	in.Approval.Required = 2
	first, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Pending, first.Outcome)
	in.Before = []plan.Decision{first.Decision}
	in.Statement = d.statement(t, func(*identity.Statement) {})
	same, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Pending, same.Outcome)
	in.Statement = d.statement(t, func(s *identity.Statement) { s.Approver = "user:default/li" })
	second, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Approved, second.Outcome)
}

func TestDecide_Unauthorised_IsRefusedAndAudited(t *testing.T) {
	t.Parallel()
	stranger := newDesk(t)
	for name, c := range map[string]struct {
		change func(*identity.Statement)
		token  func(string) string
		before []plan.Decision
		kind   fault.Kind
	}{
		"not a member":                 {change: func(s *identity.Statement) { s.Approver = "user:default/odile" }, kind: fault.Denied},
		"unknown person":               {change: func(s *identity.Statement) { s.Approver = "user:default/nobody" }, kind: fault.Denied},
		"a group":                      {change: func(s *identity.Statement) { s.Approver = owners }, kind: fault.Denied},
		"the requester":                {change: func(s *identity.Statement) { s.Approver = rosa }, kind: fault.Denied},
		"requester, other spelling":    {change: func(s *identity.Statement) { s.Approver = "user:default/Rosa" }, kind: fault.Denied},
		"other gate":                   {change: func(s *identity.Statement) { s.Gate = task + ".other" }, kind: fault.Denied},
		"other task":                   {change: func(s *identity.Statement) { s.Task = "other" }, kind: fault.Denied},
		"other plan":                   {change: func(s *identity.Statement) { s.Digest = "sha256:def" }, kind: fault.Denied},
		"something else than is shown": {change: func(s *identity.Statement) { s.Shown = "sha256:other" }, kind: fault.Denied},
		"delegated to the requester":   {change: func(s *identity.Statement) { s.Verdict, s.To = "delegate", rosa }, kind: fault.Denied},
		"delegated to nobody":          {change: func(s *identity.Statement) { s.Verdict = "delegate" }, kind: fault.Denied},
		"delegated by a stranger": {change: func(s *identity.Statement) {
			s.Approver, s.Verdict, s.To = "user:default/odile", "delegate", "user:default/bo"
		}, kind: fault.Denied},
		"has delegated": {change: func(*identity.Statement) {},
			before: []plan.Decision{{By: amir, Verdict: plan.Delegate, To: "user:default/bo", Nonce: "n1"}}, kind: fault.Conflict},
		"delegated by one who is no approver any more": {change: func(s *identity.Statement) { s.Approver = "user:default/bo" },
			before: []plan.Decision{{By: "user:default/odile", Verdict: plan.Delegate, To: "user:default/bo", Nonce: "n1"}}, kind: fault.Denied},
		"no verdict": {change: func(s *identity.Statement) { s.Verdict = "maybe" }, kind: fault.Denied},
		"expired": {change: func(s *identity.Statement) {
			s.IssuedAt, s.Expires = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour+time.Minute)
		}, kind: fault.Denied},
		"forged":      {token: func(string) string { return stranger.statement(t, func(*identity.Statement) {}) }, kind: fault.Denied},
		"altered":     {token: func(s string) string { return s[:len(s)-4] + "AAAA" }, kind: fault.Denied},
		"not a token": {token: func(string) string { return "approve please" }, kind: fault.Denied},
		"counted already": {change: func(s *identity.Statement) { s.Nonce = "n1" },
			before: []plan.Decision{{By: amir, Verdict: plan.Approve, Nonce: "n1"}}, kind: fault.Conflict},
		"used at another gate": {change: func(s *identity.Statement) { s.Nonce = "elsewhere" }, kind: fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.used["elsewhere"] = "other gate"
			change := c.change
			if change == nil {
				change = func(*identity.Statement) {}
			}
			in := asked(d.statement(t, change))
			if c.token != nil {
				in.Statement = c.token(in.Statement)
			}
			in.Before = c.before
			_, err := d.Decide(t.Context(), in)
			require.Equal(t, c.kind, fault.Unseal(err).Kind)
			require.Len(t, d.refused, 1)
			require.Contains(t, d.refused[0], "approval-refused ")
		})
	}
}

func TestDecide_Late_IsRefusedAndWrittenDownWithItsAuthor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := asked(d.statement(t, func(*identity.Statement) {}))
	in.Late = true
	for range 2 {
		_, err := d.Decide(t.Context(), in)
		require.Equal(t, fault.Conflict, fault.Unseal(err).Kind)
	}
	require.Contains(t, d.refused[0], "approval-refused "+amir)
	require.Empty(t, d.lines, "nothing was counted")
}

func TestDecide_Delegate_CountsForWhoeverDelegated(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := asked(d.statement(t, func(s *identity.Statement) { s.Verdict, s.To, s.Comment = "delegate", "user:default/bo", "" }))
	handed, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Pending, handed.Outcome)
	require.Len(t, d.notices, 1)
	require.Equal(t, []string{"user:default/bo"}, d.notices[0].To)
	require.Equal(t, notice.ApprovalOpened, d.notices[0].Kind)
	in.Before = []plan.Decision{handed.Decision}
	in.Statement = d.statement(t, func(s *identity.Statement) { s.Approver = "user:default/bo" })
	got, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Approved, got.Outcome)
	require.Equal(t, [3]string{"user:default/bo", owners, amir}, [3]string{got.Decision.By, got.Decision.As, got.Decision.For})
	require.Equal(t, []string{amir + " lets user:default/bo decide as a member of " + owners,
		"user:default/bo approved (1 of 1) in the place of " + amir + " as a member of " + owners + ": ok"}, d.lines)
}

func TestDecide_OnePerson_HasOneVoice(t *testing.T) {
	t.Parallel()
	const bo, li, kim = "user:default/bo", "user:default/li", "user:default/kim"
	says := func(by string, v plan.Verdict, stage int, nonce string) plan.Decision {
		return plan.Decision{By: by, As: owners, Verdict: v, Stage: stage, Nonce: nonce}
	}
	lends := func(by, to string, stage int) plan.Decision {
		return plan.Decision{By: by, As: owners, Verdict: plan.Delegate, To: to, Stage: stage, Nonce: by + to}
	}
	instead := func(by, of string, stage int) plan.Decision {
		d := says(by, plan.Approve, stage, by+of)
		d.For = of
		return d
	}
	var (
		two      = plan.Approval{Approvers: []string{owners}, Required: 2}
		three    = plan.Approval{Approvers: []string{owners}, Rule: plan.Majority, Of: 5}
		distinct = plan.Approval{Distinct: true, Stages: []plan.Stage{{Approvers: []string{owners}}, {Approvers: []string{owners}}}}
	)
	for name, c := range map[string]struct {
		rule    plan.Approval
		before  []plan.Decision
		by      string
		verdict plan.Verdict
		to      string
		kind    fault.Kind // "" = it counts
	}{
		"lends after approving":                 {two, []plan.Decision{says(amir, plan.Approve, 0, "1")}, amir, plan.Delegate, bo, fault.Conflict},
		"lends after rejecting":                 {three, []plan.Decision{says(amir, plan.Reject, 0, "1")}, amir, plan.Delegate, bo, fault.Conflict},
		"lent by who had approved":              {two, []plan.Decision{says(amir, plan.Approve, 0, "1"), lends(amir, bo, 0)}, bo, plan.Approve, "", fault.Conflict},
		"a majority by who had approved":        {three, []plan.Decision{says(amir, plan.Approve, 0, "1"), lends(amir, bo, 0)}, bo, plan.Approve, "", fault.Conflict},
		"lends after an earlier stage":          {distinct, []plan.Decision{says(amir, plan.Approve, 0, "1")}, amir, plan.Delegate, bo, fault.Denied},
		"lends to who approved an earlier one":  {distinct, []plan.Decision{says(li, plan.Approve, 0, "1")}, amir, plan.Delegate, li, fault.Denied},
		"lent by who approved an earlier one":   {distinct, []plan.Decision{says(amir, plan.Approve, 0, "1"), lends(amir, bo, 1)}, bo, plan.Approve, "", fault.Denied},
		"approved an earlier one through Bo":    {distinct, []plan.Decision{lends(amir, bo, 0), instead(bo, amir, 0)}, amir, plan.Approve, "", fault.Denied},
		"lends in a stage of its own":           {distinct, []plan.Decision{says(li, plan.Approve, 0, "1")}, amir, plan.Delegate, bo, ""},
		"decides after lending":                 {two, []plan.Decision{lends(amir, bo, 0)}, amir, plan.Approve, "", fault.Conflict},
		"rejects after lending":                 {two, []plan.Decision{lends(amir, bo, 0)}, amir, plan.Reject, "", fault.Conflict},
		"lends twice":                           {two, []plan.Decision{lends(amir, bo, 0)}, amir, plan.Delegate, kim, fault.Conflict},
		"lends on what was lent":                {two, []plan.Decision{lends(amir, bo, 0)}, bo, plan.Delegate, kim, fault.Denied},
		"lends back":                            {two, []plan.Decision{lends(amir, li, 0)}, li, plan.Delegate, amir, fault.Conflict},
		"lends to who speaks for another":       {two, []plan.Decision{lends(amir, bo, 0)}, li, plan.Delegate, bo, fault.Conflict},
		"lends to who has decided":              {two, []plan.Decision{says(li, plan.Approve, 0, "1")}, amir, plan.Delegate, li, fault.Conflict},
		"lends their own, and not what was":     {two, []plan.Decision{lends(amir, li, 0)}, li, plan.Delegate, bo, ""},
		"an approver whom another lent a voice": {two, []plan.Decision{lends(amir, li, 0)}, li, plan.Approve, "", ""},
		"in another's place":                    {two, []plan.Decision{lends(amir, bo, 0)}, bo, plan.Approve, "", ""},
		"in another's place, another mind":      {two, []plan.Decision{lends(amir, bo, 0), instead(bo, amir, 0)}, bo, plan.Reject, "", ""},
	} {
		d := newDesk(t)
		in := asked(d.statement(t, func(s *identity.Statement) { s.Approver, s.Verdict, s.To = c.by, string(c.verdict), c.to }))
		in.Approval, in.Before = c.rule, c.before
		got, err := d.Decide(t.Context(), in)
		if c.kind == "" {
			require.NoError(t, err, name)
			require.NotEqual(t, plan.Approved, got.Outcome, name)
			continue
		}
		require.Error(t, err, name)
		require.Equal(t, c.kind, fault.Unseal(err).Kind, "%s: %v", name, err)
		require.Len(t, d.refused, 1, name)
	}
}

func TestDecide_Leaver_DoesNotEvenWhereNamed(t *testing.T) {
	t.Parallel()
	const bo, gone = "user:default/bo", "user:default/gone"
	lends := func(by, to string) []plan.Decision {
		return []plan.Decision{{By: by, As: by, Verdict: plan.Delegate, To: to, Nonce: "n1"}}
	}
	for name, c := range map[string]struct {
		by, verdict, to string
		before          []plan.Decision
	}{
		"a named approver":         {by: gone, verdict: "approve"},
		"a named approver says no": {by: gone, verdict: "reject"},
		"a named approver lends":   {by: gone, verdict: "delegate", to: bo},
		"lent to a leaver":         {by: amir, verdict: "delegate", to: gone},
		"in the place of a leaver": {by: bo, verdict: "approve", before: lends(gone, bo)},
		"a leaver in one's place":  {by: gone, verdict: "approve", before: lends(amir, gone)},
	} {
		d := newDesk(t)
		in := asked(d.statement(t, func(s *identity.Statement) { s.Approver, s.Verdict, s.To = c.by, c.verdict, c.to }))
		in.Approval, in.Before = plan.Approval{Approvers: []string{amir, gone}, Required: 1}, c.before
		_, err := d.Decide(t.Context(), in)
		require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "%s: %v", name, err)
		require.Contains(t, d.refused[0], "is not in the directory", name)
	}
}

type away struct{}

func (away) Groups(context.Context, string) ([]string, error) {
	return nil, fault.New(fault.Unavailable, "the directory does not answer")
}

func TestDecide_DirectoryAway_IsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Directory = away{}
	in := asked(d.statement(t, func(*identity.Statement) {}))
	in.Approval.Approvers = []string{amir}
	_, err := d.Decide(t.Context(), in)
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
	require.Empty(t, d.refused)
}

func TestDecide_Stages_OneAfterTheOther(t *testing.T) {
	t.Parallel()
	const li = "user:default/li"
	d := newDesk(t)
	in := asked(d.statement(t, func(*identity.Statement) {}))
	in.Approval = plan.Approval{Distinct: true, Stages: []plan.Stage{
		{Name: "Team", Approvers: []string{owners}}, {Name: "Lead", Approvers: []string{owners, li}, Rule: plan.EachOne},
	}}
	first, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Pending, first.Outcome)
	require.Contains(t, d.lines[1], "Waiting for approval by "+owners+" or "+li+" (0 of 2)")
	require.Equal(t, []string{owners, li}, d.notices[0].To)

	in.Before = []plan.Decision{first.Decision}
	in.Statement = d.statement(t, func(*identity.Statement) {})
	_, err = d.Decide(t.Context(), in)
	require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "nobody approves two stages")

	in.Statement = d.statement(t, func(s *identity.Statement) { s.Approver = li })
	second, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Pending, second.Outcome)
	require.Equal(t, 1, second.Decision.Stage)
	in.Before = append(in.Before, second.Decision)
	in.Statement = d.statement(t, func(s *identity.Statement) { s.Approver = li })
	third, err := d.Decide(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, plan.Approved, third.Outcome, "one person can speak for two refs: each of them has approved")
	require.NotEqual(t, second.Decision.As, third.Decision.As)
}

func TestDecide_AuditDown_IsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.down = fault.New(fault.Unavailable, "down")
	_, err := d.Decide(t.Context(), asked("nonsense"))
	require.Equal(t, fault.Unavailable, fault.Unseal(err).Kind)
}

func invocation(t *testing.T, input any) activities.GateInvocation {
	t.Helper()
	raw, err := json.Marshal(input)
	require.NoError(t, err)
	return activities.GateInvocation{Digest: digest, Invocation: activities.Invocation{
		Run: activities.RunInfo{Task: task, Requester: plan.Person{Ref: rosa}}, Step: "approve", StepName: "Approval", Input: raw,
	}}
}

func TestOpen_Input_BecomesAnApproval(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	got, err := d.Open(t.Context(), invocation(t, activities.ApprovalInput{
		Approvers: []string{"group:ml-platform-team", "User:default/Amir", "ml-platform-team"}, Reason: "why", Timeout: "14d",
	}))
	require.NoError(t, err)
	require.Equal(t, activities.OpenedGate{ID: gateID, Approval: plan.Approval{
		Approvers: []string{owners, amir}, Required: 1, Reason: "why", Timeout: plan.Duration(14 * 24 * time.Hour),
	}}, got)
	require.Equal(t, gateID, d.opened[0].ID)
	require.WithinDuration(t, time.Now().Add(14*24*time.Hour), *d.opened[0].Expires, time.Minute)
	link := "https://gildway.acme.com/api/gildway/v1/approvals/" + gateID
	require.Equal(t, []string{"Waiting for approval by " + owners + " or " + amir + " (0 of 1): " + link}, d.lines)
	require.NoError(t, d.Close(t.Context(), activities.CloseGate{Gate: gateID, Outcome: plan.Approved, Why: "ok"}))
	require.Equal(t, "approved ok", d.closed)
}

func TestOpen_Rules_BecomeAnApproval(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	in := invocation(t, map[string]any{
		"stages": []any{
			map[string]any{"name": "Team", "approvers": []string{"leads"}, "required": 2},
			map[string]any{"approvers": []string{"security"}, "rule": "majority", "of": 3},
		},
		"distinctApprovers": true, "timeout": "3d", "onTimeout": "escalate", "escalateTo": []string{"directors"}, "remindEvery": "1d",
	})
	in.Written = json.RawMessage(`{}`)
	in.Behind = []activities.Behind{{ID: "grant", Name: "Grant", Action: "okta:group:add-member"}}
	got, err := d.Open(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []plan.Stage{
		{Name: "Team", Approvers: []string{"group:default/leads"}, Required: 2},
		{Approvers: []string{"group:default/security"}, Required: 1, Rule: plan.Majority, Of: 3},
	}, got.Approval.Stages)
	require.Equal(t, plan.EscalateLate, got.Approval.OnTimeout)
	require.Equal(t, []string{"group:default/leads"}, d.notices[0].To, "the first stage is asked first")
	var seen approval.Seen
	require.NoError(t, json.Unmarshal(d.opened[0].Seen, &seen))
	require.Equal(t, in.Behind, seen.Behind)
	require.JSONEq(t, string(in.Input), string(seen.Input))
	sum := sha256.Sum256(d.opened[0].Seen)
	require.Equal(t, "sha256:"+hex.EncodeToString(sum[:]), got.Shown, "anybody can check what was approved")
	in.Behind = nil
	other, err := d.Open(t.Context(), in)
	require.NoError(t, err)
	require.NotEqual(t, got.Shown, other.Shown)

	news := activities.GateNews{Task: task, Gate: gateID, Approval: got.Approval.Escalated(), Requester: rosa}
	require.NoError(t, d.Escalate(t.Context(), news))
	require.Contains(t, d.escalated, "group:default/directors")
	require.NoError(t, d.Remind(t.Context(), news))
	require.Contains(t, d.notices[len(d.notices)-1].To, "group:default/directors")
}

func TestOpen_Automatic_IsRecorded(t *testing.T) {
	t.Parallel()
	for when, asks := range map[bool]int{true: 0, false: 1} {
		d := newDesk(t)
		in := invocation(t, map[string]any{"approvers": []string{"leads"}, "autoApprove": map[string]any{"if": when, "because": "it is small"}})
		in.Written = json.RawMessage(`{"autoApprove":{"if":"${{ parameters.budget < 1000 }}","because":"it is small"}}`)
		got, err := d.Open(t.Context(), in)
		require.NoError(t, err)
		require.Len(t, d.opened, asks)
		if when {
			require.Equal(t, "it is small", got.Automatic)
			require.Equal(t, []string{"approval-automatic gildway: it is small (${{ parameters.budget < 1000 }})"}, d.refused)
		}
	}
}

func TestOpen_NobodyCouldEverApprove_IsInvalid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, in := range map[string]any{
		"nobody":               map[string]any{"approvers": []string{}},
		"the requester":        map[string]any{"approvers": []string{rosa}},
		"too few":              map[string]any{"approvers": []string{amir, rosa, "user:Amir"}, "required": 2},
		"not people":           map[string]any{"approvers": []string{"component:default/x"}},
		"not a ref":            map[string]any{"approvers": []string{"a b"}},
		"bad timeout":          map[string]any{"approvers": []string{owners}, "timeout": "soon"},
		"no time":              map[string]any{"approvers": []string{owners}, "timeout": "0s"},
		"unknown":              map[string]any{"approvers": []string{owners}, "quorum": 2},
		"stages and approvers": map[string]any{"approvers": []string{owners}, "stages": []any{map[string]any{"approvers": []string{owners}}}},
		"no majority of what":  map[string]any{"approvers": []string{owners}, "rule": "majority"},
		"too few to be most":   map[string]any{"approvers": []string{amir, rosa}, "rule": "majority", "of": 3},
		"each, the requester":  map[string]any{"approvers": []string{owners, rosa}, "rule": "all"},
		"unknown rule":         map[string]any{"approvers": []string{owners}, "rule": "most"},
		"escalated to nobody":  map[string]any{"approvers": []string{owners}, "timeout": "1d", "onTimeout": "escalate"},
		"late without a time":  map[string]any{"approvers": []string{owners}, "onTimeout": "approve"},
		"automatic if maybe":   map[string]any{"approvers": []string{owners}, "autoApprove": map[string]any{"if": "yes", "because": "x"}},
		"approvers is text":    map[string]any{"approvers": owners},
	} {
		_, err := d.Open(t.Context(), invocation(t, in))
		require.Equal(t, fault.Invalid, fault.Unseal(err).Kind, name)
	}
	require.Empty(t, d.opened)
}
