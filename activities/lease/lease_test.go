package lease_test

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/lease"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

const (
	task   = "0b5f5a52-6d0e-4b07-9a56-0d6d3c1c8f11"
	id     = "lease/" + task + "/group"
	rosa   = "user:default/rosa"
	olga   = "user:default/olga" // in the team that owns the template
	amir   = "user:default/amir" // in the team that renews
	owners = "group:default/platform-team"
	leads  = "group:default/leads"
)

var ends = time.Date(2027, 3, 28, 7, 0, 0, 123456789, time.UTC)

type world struct {
	audits  []string
	notices []notice.Notice
}

func (w *world) Audit(_ context.Context, _, _, kind, actor string, _ map[string]any) error {
	w.audits = append(w.audits, kind+" "+actor)
	return nil
}

func (w *world) Notify(_ context.Context, n notice.Notice) error {
	w.notices = append(w.notices, n)
	return nil
}

func (w *world) Groups(_ context.Context, user string) ([]string, error) {
	switch user {
	case olga:
		return []string{owners}, nil
	case amir, rosa:
		return []string{leads}, nil
	default:
		return nil, fault.New(fault.NotFound, "nobody")
	}
}

func (w *world) Email(_ context.Context, user string) (string, error) {
	if user == olga {
		return "olga@acme.com", nil
	}
	return "", fault.New(fault.NotFound, "nobody")
}

func keeper(t *testing.T) (*lease.Keeper, *world, *identity.Signer) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := identity.NewSigner(private)
	require.NoError(t, err)
	verifier, err := identity.NewStatementVerifier(public)
	require.NoError(t, err)
	w := &world{}
	return &lease.Keeper{Directory: w, Verifier: verifier, Journal: w, Notifier: w, Log: slog.New(slog.DiscardHandler)}, w, signer
}

func genuine(by string) identity.Statement {
	return identity.Statement{Approver: by, Task: task, Gate: id, Digest: activities.RenewalOf(ends.Truncate(time.Microsecond)), Verdict: activities.RenewVerdict}
}

func claim(approvers ...string) activities.RenewalClaim {
	return activities.RenewalClaim{ID: id, Task: task, Requester: rosa, Owner: owners, Expires: ends, Lease: plan.Lease{Renewable: true, Approvers: approvers}}
}

func TestVerify_WhoMayRenew_Does(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by        string
		approvers []string
		may       bool
	}{
		{by: rosa, may: true}, {by: olga, may: true}, {by: amir},
		{by: amir, approvers: []string{leads}, may: true}, {by: rosa, approvers: []string{leads}}, {by: olga, approvers: []string{leads}},
	} {
		k, w, signer := keeper(t)
		in := claim(c.approvers...)
		var err error
		in.Statement, err = signer.Sign(genuine(c.by))
		require.NoError(t, err)
		by, err := k.Verify(t.Context(), in)
		if c.may {
			require.NoError(t, err)
			require.Equal(t, c.by, by)
			require.Empty(t, w.audits)
			continue
		}
		require.Equal(t, fault.Denied, fault.Unseal(err).Kind, "%+v", c)
		require.Equal(t, []string{"renewal-refused " + c.by}, w.audits)
	}
}

func TestVerify_AnythingElse_IsRefusedAndAudited(t *testing.T) {
	t.Parallel()
	_, _, stranger := keeper(t)
	for name, c := range map[string]struct {
		change func(*identity.Statement)
		kind   fault.Kind
	}{
		"another lease":  {func(s *identity.Statement) { s.Gate += "/2" }, fault.Denied},
		"another task":   {func(s *identity.Statement) { s.Task = "x" }, fault.Denied},
		"an approval":    {func(s *identity.Statement) { s.Verdict = "approve" }, fault.Denied},
		"an earlier end": {func(s *identity.Statement) { s.Digest = activities.RenewalOf(ends.Add(-time.Hour)) }, fault.Conflict},
		"a group":        {func(s *identity.Statement) { s.Approver = owners }, fault.Denied},
		"a stranger":     {func(s *identity.Statement) { s.Approver = "user:default/eve" }, fault.Denied},
		"too old":        {func(s *identity.Statement) { s.IssuedAt = time.Now().Add(-48 * time.Hour) }, fault.Denied},
		"forged":         {nil, fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, w, signer := keeper(t)
			in, said := claim(), genuine(rosa)
			if c.change == nil {
				signer = stranger
			} else {
				c.change(&said)
			}
			var err error
			in.Statement, err = signer.Sign(said)
			require.NoError(t, err)
			_, err = k.Verify(t.Context(), in)
			require.Equal(t, c.kind, fault.Unseal(err).Kind)
			require.Len(t, w.audits, 1)
		})
	}
}

func TestRemind_TellsWhoAndHow(t *testing.T) {
	t.Parallel()
	k, w, _ := keeper(t)
	in := activities.LeaseReminder{ID: id, Task: task, StepName: "Join the group", Requester: rosa, Expires: ends,
		Template: plan.Template{Owner: owners}, Lease: plan.Lease{TTL: plan.Duration(720 * time.Hour), Renewable: true}}
	require.NoError(t, k.Remind(t.Context(), in))
	in.Lease.Approvers = []string{leads, owners}
	require.NoError(t, k.Remind(t.Context(), in))
	in.Last = true
	require.NoError(t, k.Remind(t.Context(), in))
	require.Equal(t, "Join the group: access ends on Sunday, 28 March 2027, 07:00 UTC", w.notices[0].Title)
	require.Equal(t, []string{rosa, owners}, w.notices[0].To)
	require.Contains(t, w.notices[0].Text, "Renew it for 30d with: gildway access renew "+id)
	require.Equal(t, []string{rosa, owners, leads}, w.notices[1].To)
	require.Contains(t, w.notices[1].Text, leads+" or "+owners+" can renew it for 30d")
	require.Contains(t, w.notices[2].Text, "It can't be renewed")
	require.Equal(t, w.notices[0].Key, w.notices[2].Key, "one end is told of once")
}
