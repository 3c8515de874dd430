package approval_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
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

type opened struct {
	id, requester string
	approvers     []string
	required      int
	expires       *time.Time
}

// memory stands for the store.
type memory struct {
	opened  []opened
	used    map[string]string // nonce -> gate and approver
	closed  string
	refused []string
	lines   []string
	down    error
}

func (m *memory) OpenApproval(_ context.Context, id, _, _, _, _, _, requester, _ string, approvers []string, required int, expires *time.Time) error {
	m.opened = append(m.opened, opened{id, requester, approvers, required, expires})
	return m.down
}

func (m *memory) RecordDecision(_ context.Context, gate, by, _, _, _, nonce string, _ time.Time) error {
	if was, used := m.used[nonce]; used && was != gate+by {
		return fault.New(fault.Conflict, "used before")
	}
	m.used[nonce] = gate + by
	return m.down
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
	m.refused = append(m.refused, kind+" "+actor+": "+data["reason"].(string))
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
		Approvals: m, Journal: m, Verifier: verifier, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Directory: people{amir: {owners}, "user:default/li": {owners}, rosa: {owners}, "user:default/odile": {"group:default/audit"}},
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
		"not a member":              {change: func(s *identity.Statement) { s.Approver = "user:default/odile" }, kind: fault.Denied},
		"unknown person":            {change: func(s *identity.Statement) { s.Approver = "user:default/nobody" }, kind: fault.Denied},
		"a group":                   {change: func(s *identity.Statement) { s.Approver = owners }, kind: fault.Denied},
		"the requester":             {change: func(s *identity.Statement) { s.Approver = rosa }, kind: fault.Denied},
		"requester, other spelling": {change: func(s *identity.Statement) { s.Approver = "user:default/Rosa" }, kind: fault.Denied},
		"other gate":                {change: func(s *identity.Statement) { s.Gate = task + ".other" }, kind: fault.Denied},
		"other task":                {change: func(s *identity.Statement) { s.Task = "other" }, kind: fault.Denied},
		"other plan":                {change: func(s *identity.Statement) { s.Digest = "sha256:def" }, kind: fault.Denied},
		"no verdict":                {change: func(s *identity.Statement) { s.Verdict = "maybe" }, kind: fault.Denied},
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
	require.Equal(t, gateID, d.opened[0].id)
	require.WithinDuration(t, time.Now().Add(14*24*time.Hour), *d.opened[0].expires, time.Minute)
	link := "https://gildway.acme.com/api/gildway/v1/approvals/" + gateID
	require.Equal(t, []string{"Waiting for approval by " + owners + " or " + amir + " (0 of 1): " + link}, d.lines)
	require.NoError(t, d.Close(t.Context(), activities.CloseGate{Gate: gateID, Outcome: plan.Approved, Why: "ok"}))
	require.Equal(t, "approved ok", d.closed)
}

func TestOpen_NobodyCouldEverApprove_IsInvalid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, in := range map[string]any{
		"nobody":            map[string]any{"approvers": []string{}},
		"the requester":     map[string]any{"approvers": []string{rosa}},
		"too few":           map[string]any{"approvers": []string{amir, rosa, "user:Amir"}, "required": 2},
		"not people":        map[string]any{"approvers": []string{"component:default/x"}},
		"not a ref":         map[string]any{"approvers": []string{"a b"}},
		"bad timeout":       map[string]any{"approvers": []string{owners}, "timeout": "soon"},
		"no time":           map[string]any{"approvers": []string{owners}, "timeout": "0s"},
		"unknown":           map[string]any{"approvers": []string{owners}, "quorum": 2},
		"approvers is text": map[string]any{"approvers": owners},
	} {
		_, err := d.Open(t.Context(), invocation(t, in))
		require.Equal(t, fault.Invalid, fault.Unseal(err).Kind, name)
	}
	require.Empty(t, d.opened)
}
