//go:build linux

package main_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	temporal "go.temporal.io/sdk/client"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
)

// forger holds what an attacker may have: any statement that was ever signed, and keys of their own. Only to make
// statements that are wrong in one single way it has the API's key, too.
type forger struct {
	t      *testing.T
	stack  *localStack
	key    ed25519.PrivateKey
	signer *identity.Signer
}

func newForger(t *testing.T, s *localStack) forger {
	t.Helper()
	var configured struct {
		Approvals struct {
			SigningKey string `yaml:"signingKey"`
		}
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "server.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, &configured))
	raw, err = os.ReadFile(configured.Approvals.SigningKey)
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	require.NotNil(t, block)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	f := forger{t: t, stack: s, key: key.(ed25519.PrivateKey)}
	f.signer, err = identity.NewSigner(f.key)
	require.NoError(t, err)
	return f
}

func (f forger) sign(said identity.Statement, change func(*identity.Statement)) string {
	f.t.Helper()
	change(&said)
	signed, err := f.signer.Sign(said)
	require.NoError(f.t, err)
	return signed
}

// retyped is a genuine statement under another algorithm.
func (f forger) retyped(statement, algorithm string, mac func(signed []byte) []byte) string {
	f.t.Helper()
	parts := strings.Split(statement, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(f.t, err)
	var header map[string]any
	require.NoError(f.t, json.Unmarshal(raw, &header))
	header["alg"] = algorithm
	raw, err = json.Marshal(header)
	require.NoError(f.t, err)
	signed := base64.RawURLEncoding.EncodeToString(raw) + "." + parts[1]
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac([]byte(signed)))
}

const twoStages = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: two-stages, title: Two Stages}
spec:
  owner: group:default/platform-team
  type: service
  parameters: {title: Name, required: [name], properties: {name: {type: string}}}
  steps:
    - id: ask
      name: Ask
      action: approval:request
      input:
        distinctApprovers: true
        stages:
          - {name: Team, approvers: [group:default/forge-team]}
          - {name: Lead, approvers: [group:default/forge-team, group:default/forge-leads]}
    - {id: after, name: After, action: "debug:log", input: {message: "${{ parameters.name }} has it"}}
`

// Whoever can write to Temporal can still not approve: a run believes only what the API has signed for it, of those who may
// decide at that moment, about what they were shown. Every kind of attempt goes straight to the worker, as an update and
// as a signal, and is refused and audited; the gate stays as it was.
func TestForgedDecision_SentStraightToTemporal_IsRefused(t *testing.T) {
	t.Parallel()
	s := shared(t)
	f := newForger(t, s)
	s.registerTemplate(t, "two-stages", twoStages)
	p := s.enrol(t, "fox", "group:default/fox-team", "group:default/forge-team") // asks, and is in the team
	first, lead := s.enrol(t, "forge-ann", "group:default/forge-team", "group:default/forge-leads"), s.enrol(t, "forge-lee", "group:default/forge-leads")
	former := s.enrol(t, "forge-flo", "group:default/forge-leads")
	s.enrol(t, "forge-flo", "group:default/elsewhere") // has left the group since
	outsider := s.enrol(t, "forge-olaf", "group:default/elsewhere")

	submit := func() (run, client.Approval) {
		r := p.submit(t, "two-stages", map[string]any{"name": "forged"})
		return r, r.gate(t)
	}
	decided, gate := submit()
	require.NoError(t, first.Decide(t.Context(), gate.ID, "approve", ""))
	used := statementOf(t, decided)
	require.NoError(t, lead.Decide(t.Context(), gate.ID, "approve", ""))
	decided.completes(t)
	over := gate.ID

	r, gate := submit()
	require.NoError(t, first.Decide(t.Context(), gate.ID, "approve", "")) // now the second stage waits
	mine := statementOf(t, r)
	var details struct{ Digest, Shown string }
	_, raw := p.ask(t, http.MethodGet, "/api/gildway/v1/approvals/"+gate.ID, "")
	require.NoError(t, json.Unmarshal(raw, &details))
	require.NotEmpty(t, details.Shown)
	good := identity.Statement{Approver: lead.ref(), Task: r.id, Gate: gate.ID, Digest: details.Digest, Shown: details.Shown, Verdict: "approve"}
	as := func(who string) func(*identity.Statement) { return func(s *identity.Statement) { s.Approver = who } }
	genuine := f.sign(good, func(*identity.Statement) {})
	_, foreign, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	stranger, err := identity.NewSigner(foreign)
	require.NoError(t, err)
	byStranger, err := stranger.Sign(good)
	require.NoError(t, err)
	public := f.key.Public().(ed25519.PublicKey)
	parts := strings.Split(genuine, ".")
	otherClaims := strings.Split(f.sign(good, as(first.ref())), ".")[1]

	attempts := map[string]struct {
		statement string
		kind      fault.Kind
	}{
		"no token at all":            {"approve please " + uuid.NewString(), fault.Denied},
		"signed by somebody else":    {byStranger, fault.Denied},
		"the signature cut off":      {parts[0] + "." + parts[1] + ".", fault.Denied},
		"the signature altered":      {genuine[:len(genuine)-8] + "AAAAAAAA", fault.Denied},
		"the claims exchanged":       {parts[0] + "." + otherClaims + "." + parts[2], fault.Denied},
		"algorithm none":             {f.retyped(genuine, "none", func([]byte) []byte { return nil }), fault.Denied},
		"the public key as a secret": {f.retyped(genuine, "HS256", func(b []byte) []byte { m := hmac.New(sha256.New, public); m.Write(b); return m.Sum(nil) }), fault.Denied},
		"a token of the issuer":      {lead.token, fault.Denied},
		"expired": {f.sign(good, func(s *identity.Statement) {
			s.IssuedAt, s.Expires = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		}), fault.Denied},
		"from the future": {f.sign(good, func(s *identity.Statement) {
			s.IssuedAt, s.Expires = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		}), fault.Denied},
		"about another gate":              {f.sign(good, func(s *identity.Statement) { s.Gate = over }), fault.Denied},
		"about another task":              {f.sign(good, func(s *identity.Statement) { s.Task = decided.id }), fault.Denied},
		"about another plan":              {f.sign(good, func(s *identity.Statement) { s.Digest = "sha256:" + strings.Repeat("0", 64) }), fault.Denied},
		"about what was not shown":        {f.sign(good, func(s *identity.Statement) { s.Shown = "sha256:" + strings.Repeat("0", 64) }), fault.Denied},
		"about nothing shown":             {f.sign(good, func(s *identity.Statement) { s.Shown = "" }), fault.Denied},
		"no verdict":                      {f.sign(good, func(s *identity.Statement) { s.Verdict = "yes" }), fault.Denied},
		"a renewal":                       {f.sign(good, func(s *identity.Statement) { s.Verdict = activities.RenewVerdict }), fault.Denied},
		"by the requester":                {f.sign(good, as(p.ref())), fault.Denied},
		"by the requester, spelt anew":    {f.sign(good, as("User:Default/FOX")), fault.Denied},
		"by nobody known":                 {f.sign(good, as("user:default/forge-ghost")), fault.Denied},
		"by a group":                      {f.sign(good, as("group:default/forge-leads")), fault.Denied},
		"by somebody outside":             {f.sign(good, as(outsider.ref())), fault.Denied},
		"by a former member":              {f.sign(good, as(former.ref())), fault.Denied},
		"by the approver of stage one":    {f.sign(good, as(first.ref())), fault.Denied},
		"delegated to the requester":      {f.sign(good, func(s *identity.Statement) { s.Verdict, s.To = "delegate", p.ref() }), fault.Denied},
		"delegated by somebody outside":   {f.sign(good, func(s *identity.Statement) { s.Approver, s.Verdict, s.To = outsider.ref(), "delegate", lead.ref() }), fault.Denied},
		"delegated by that of stage one":  {f.sign(good, func(s *identity.Statement) { s.Approver, s.Verdict, s.To = first.ref(), "delegate", outsider.ref() }), fault.Denied},
		"counted in stage one, once more": {mine, fault.Conflict},
		"counted at another gate":         {used, fault.Denied},
	}
	c := s.temporal(t)
	update := func(statement string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		handle, err := c.UpdateWorkflow(ctx, temporal.UpdateWorkflowOptions{
			WorkflowID: r.id, UpdateName: activities.DecideMessage, WaitForStage: temporal.WorkflowUpdateStageCompleted,
			Args: []any{activities.DecideMessageInput{Gate: gate.ID, Statement: statement}},
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		return err
	}
	before := s.audited(t, r.id, "approval-refused")
	for name, a := range attempts {
		err := update(a.statement)
		require.Error(t, err, name)
		require.Equal(t, a.kind, fault.Unseal(err).Kind, "%s: %v", name, err)
	}
	require.Equal(t, before+len(attempts), s.audited(t, r.id, "approval-refused"), "each is in the audit log")
	for _, a := range attempts { // again, and nobody waits for the answer: the same refusals, told once
		require.NoError(t, c.SignalWorkflow(t.Context(), r.id, "", activities.DecideMessage, activities.DecideMessageInput{Gate: gate.ID, Statement: a.statement}))
	}
	last := "the last one " + uuid.NewString()
	require.NoError(t, c.SignalWorkflow(t.Context(), r.id, "", activities.DecideMessage, activities.DecideMessageInput{Gate: gate.ID, Statement: last}))
	eventually(t, "the last refusal to be in the audit log", func() bool {
		return s.audited(t, r.id, "approval-refused") == before+len(attempts)+1
	})
	require.Equal(t, "pending", r.gate(t).State)
	require.Equal(t, "processing", r.states(t)["ask"])
	require.Equal(t, "open", r.states(t)["after"])

	// What `gildway approval sign` hands out is good, when it comes straight to Temporal, once and in time.
	said := lead.types(t, "approval", "sign", gate.ID, "--output", "json")
	require.Zero(t, said.code, said.err)
	var signed client.Signed
	require.NoError(t, json.Unmarshal([]byte(said.out), &signed))
	require.NoError(t, c.SignalWorkflow(t.Context(), signed.Task, "", signed.Signal, signed.Input))
	r.completes(t)
	err = update(signed.Statement)
	require.Error(t, err, "too late")
}

// statementOf is the signed decision that a run has counted, as it stands in Temporal.
func statementOf(t *testing.T, r run) string {
	t.Helper()
	for _, e := range r.by.stack.history(t, r.id) {
		update := e.GetWorkflowExecutionUpdateAcceptedEventAttributes()
		if update == nil {
			continue
		}
		var in activities.DecideMessageInput
		require.NoError(t, json.Unmarshal(update.GetAcceptedRequest().GetInput().GetArgs().GetPayloads()[0].GetData(), &in))
		return in.Statement
	}
	t.Fatal("no decision in history")
	return ""
}

// audited counts a task's entries of a kind in the audit log.
func (s *localStack) audited(t *testing.T, task, kind string) (n int) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), s.endpoints.Postgres)
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	const count = `select count(*) from audit_leaves where task = $1 and convert_from(body, 'UTF8')::json ->> 'kind' = $2`
	require.NoError(t, db.QueryRow(t.Context(), count, task, kind).Scan(&n))
	return n
}
