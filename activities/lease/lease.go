// Package lease keeps people in control of access that ends: it reminds them in time, and checks who may put an end off.
package lease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
)

// Directory knows who is in which group, and what address people have. A catalog implements it.
type Directory interface {
	// Groups gives the canonical refs of a user's groups, parent groups included.
	Groups(ctx context.Context, userRef string) ([]string, error)
	// Email gives the address of a user, which is their login; a NotFound fault if there is none.
	Email(ctx context.Context, userRef string) (string, error)
}

// Verifier tells a genuine statement from any other. identity.StatementVerifier implements it.
type Verifier interface {
	Verify(token string, now time.Time) (identity.Statement, error)
}

// Journal is the audit log.
type Journal interface {
	Audit(ctx context.Context, task, key, kind, actor string, data map[string]any) error
}

// Notifier tells people. The same key again is nothing.
type Notifier interface {
	Notify(ctx context.Context, n notice.Notice) error
}

// Keeper serves leases.
type Keeper struct {
	Directory Directory
	Verifier  Verifier
	Journal   Journal
	Notifier  Notifier
	Reviews   Reviews
	PublicURL string // where people reach the API
	Log       *slog.Logger
}

// Remind tells the requester, the template's owner and whoever renews that access ends. It is a Temporal activity; so
// is Verify.
func (k *Keeper) Remind(ctx context.Context, in activities.LeaseReminder) error {
	to := []string{in.Requester}
	for _, ref := range append([]string{in.Template.Owner}, in.Lease.Approvers...) {
		if ref != "" && !slices.Contains(to, ref) {
			to = append(to, ref)
		}
	}
	text := "It was granted to " + in.Requester + " and ends by itself."
	switch {
	case in.Last:
		text += " It can't be renewed: ask for it anew if it is still needed."
	case len(in.Lease.Approvers) > 0:
		text += " " + strings.Join(in.Lease.Approvers, " or ") + " can renew it for " + in.Lease.TTL.String() + ": gildway access renew " + in.ID
	default:
		text += " Renew it for " + in.Lease.TTL.String() + " with: gildway access renew " + in.ID
	}
	due := in.Expires.UTC()
	return k.sealed(ctx, "remind", k.Notifier.Notify(ctx, notice.Notice{
		Key: in.ID + "/ends/" + due.Format(time.RFC3339), Kind: notice.LeaseReminder, To: to, Task: in.Task,
		Title: fmt.Sprintf("%s: access ends on %s", in.StepName, due.Format("Monday, 2 January 2006, 15:04 MST")), Text: text, Due: &due,
	}))
}

// Verify says who renews, if they may: with a genuine statement about this end of this lease. Any other is refused and
// audited.
func (k *Keeper) Verify(ctx context.Context, in activities.RenewalClaim) (string, error) {
	by, err := k.verify(ctx, in, time.Now())
	return by, k.sealed(ctx, "renew", err)
}

func (k *Keeper) verify(ctx context.Context, in activities.RenewalClaim, now time.Time) (string, error) {
	said, err := k.Verifier.Verify(in.Statement, now)
	if err != nil {
		return "", k.refuse(ctx, in, "unknown", err)
	}
	if err := k.admit(ctx, in, said); err != nil {
		return "", k.refuse(ctx, in, said.Approver, err)
	}
	return said.Approver, nil
}

// author is the user who made a statement, with the groups they are in at this moment.
func (k *Keeper) author(ctx context.Context, said identity.Statement) (identity.Principal, error) {
	by, err := plan.ParseEntityRef(said.Approver, "user")
	if err != nil || by.Kind != "user" || by.String() != said.Approver {
		return identity.Principal{}, fault.New(fault.Denied, "the statement was not made by a user")
	}
	groups, err := k.Directory.Groups(ctx, said.Approver)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return identity.Principal{}, err
	}
	return identity.Principal{Kind: identity.User, Ref: said.Approver, Groups: groups}, nil
}

func (k *Keeper) admit(ctx context.Context, in activities.RenewalClaim, said identity.Statement) error {
	switch {
	case said.Gate != in.ID || said.Task != in.Task:
		return fault.New(fault.Denied, "the statement is about another lease")
	case said.Verdict != activities.RenewVerdict:
		return fault.New(fault.Denied, "the statement renews nothing")
	case said.Digest != activities.RenewalOf(in.Expires):
		return fault.New(fault.Conflict, "the access was renewed meanwhile")
	}
	who, err := k.author(ctx, said)
	if err != nil {
		return err
	}
	if identity.MayRenew(who, identity.Lease{Requester: in.Requester, Owner: in.Owner, Approvers: in.Lease.Approvers}) {
		return nil
	}
	return fault.New(fault.Denied, "%s may not renew this access", said.Approver)
}

// refuse writes a final refusal to the audit log, once, before it is told.
func (k *Keeper) refuse(ctx context.Context, in activities.RenewalClaim, by string, refusal error) error {
	f := fault.From(refusal)
	if !f.Kind.Final() {
		return refusal
	}
	sum := sha256.Sum256([]byte(in.Statement))
	err := k.Journal.Audit(ctx, in.Task, in.ID+"/refused/"+hex.EncodeToString(sum[:16]), "renewal-refused", by, map[string]any{
		"lease": in.ID, "kind": string(f.Kind), "reason": f.Public,
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the refusal could not be written to the audit log")
	}
	return refusal
}

// sealed logs the cause, which must not reach Temporal's history.
func (k *Keeper) sealed(ctx context.Context, what string, err error) error {
	if err != nil {
		f := fault.From(err)
		k.Log.WarnContext(ctx, "a lease failed", "at", what, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
	}
	return fault.Seal(err)
}
