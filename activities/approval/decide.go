package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

func (g *Gate) decide(ctx context.Context, in activities.DecideInput, now time.Time) (activities.Decided, error) {
	said, err := g.Verifier.Verify(in.Statement, now)
	if err != nil {
		return activities.Decided{}, g.refuse(ctx, in, "", err)
	}
	if in.Late {
		return activities.Decided{}, g.refuse(ctx, in, said.Approver, fault.New(fault.Conflict, "this approval is already decided"))
	}
	d, err := g.admit(ctx, in, said)
	if err == nil {
		err = g.Approvals.RecordDecision(ctx, in.Gate, d)
	}
	if err != nil {
		return activities.Decided{}, g.refuse(ctx, in, said.Approver, err)
	}
	all := append(slices.Clone(in.Before), d)
	if err := g.tell(ctx, in, d, all); err != nil {
		return activities.Decided{}, err
	}
	return activities.Decided{Decision: d, Outcome: in.Approval.Decide(in.Requester, all)}, nil
}

// admit checks that a genuine statement is about this gate and that its author may decide now.
func (g *Gate) admit(ctx context.Context, in activities.DecideInput, said identity.Statement) (plan.Decision, error) {
	d, err := taken(in, said)
	if err != nil {
		return plan.Decision{}, err
	}
	if d.As, d.For, err = g.role(ctx, d, in); err != nil {
		return plan.Decision{}, err
	}
	return d, unheard(d, in)
}

// taken is the decision that a genuine statement makes at this gate after those before, whoever its author is by now.
func taken(in activities.DecideInput, said identity.Statement) (plan.Decision, error) {
	verdict := plan.Verdict(said.Verdict)
	switch {
	case said.Gate != in.Gate || said.Task != in.Task:
		return plan.Decision{}, fault.New(fault.Denied, "the decision was made about another approval")
	case said.Digest != in.Digest:
		return plan.Decision{}, fault.New(fault.Denied, "the decision was made about another plan or other values")
	case said.Shown != in.Shown:
		return plan.Decision{}, fault.New(fault.Denied, "the decision was made about something else than what is shown now")
	case verdict != plan.Approve && verdict != plan.Reject && verdict != plan.Delegate:
		return plan.Decision{}, fault.New(fault.Denied, "the decision is neither approve nor reject nor delegate")
	}
	by, err := user(said.Approver)
	if err != nil {
		return plan.Decision{}, fault.Wrap(fault.Denied, err, "the decision was not made by a user")
	}
	requester, err := user(in.Requester)
	if err != nil {
		return plan.Decision{}, err
	}
	if by == requester {
		return plan.Decision{}, fault.New(fault.Denied, "whoever asks can't decide: %s is the requester", by)
	}
	if slices.ContainsFunc(in.Before, func(d plan.Decision) bool { return d.Nonce == said.Nonce }) {
		return plan.Decision{}, fault.New(fault.Conflict, "this decision was counted already")
	}
	stage := in.Approval.Stage(in.Requester, in.Before)
	d := plan.Decision{By: by, Verdict: verdict, Comment: said.Comment, Nonce: said.Nonce, At: said.IssuedAt.UTC(), Stage: stage, Via: said.Via}
	if verdict == plan.Delegate {
		if d.To, err = user(said.To); err != nil || d.To == requester || d.To == by {
			return plan.Decision{}, fault.Wrap(fault.Denied, err, "%q can't decide in the place of %s", said.To, by)
		}
	}
	return d, unheard(d, in)
}

// unheard refuses who has had their say: by deciding or by letting somebody else decide, in whatever order. One person has
// one voice, and it is never lent to who has none left, or holds another's.
func unheard(d plan.Decision, in activities.DecideInput) error {
	if in.Approval.Distinct && d.Verdict != plan.Reject && plan.ApprovedBefore(d, in.Before) {
		return fault.New(fault.Denied, "%s, or who decides in their place, has approved an earlier stage; somebody else has to approve this one", d.By)
	}
	for _, b := range in.Before {
		if b.Stage != d.Stage || b.Verdict != plan.Delegate {
			continue
		}
		switch {
		case b.By == d.By:
			return fault.New(fault.Conflict, "%s decides in the place of %s", b.To, d.By)
		case b.By == d.To, b.To == d.To && d.To != "":
			return fault.New(fault.Conflict, "%s can't decide in the place of %s: %s already decides in that of %s", d.To, d.By, b.To, b.By)
		}
	}
	own := func(who string) bool { return who != "" && plan.Decided(who, d.Stage, in.Before) }
	switch {
	case d.Verdict == plan.Delegate && own(d.By):
		return fault.New(fault.Conflict, "%s has decided already, and can't let somebody else decide as well", d.By)
	case d.Verdict == plan.Delegate && own(d.To):
		return fault.New(fault.Conflict, "%s has decided already, and can't decide in the place of %s as well", d.To, d.By)
	case slices.ContainsFunc(in.Before, func(b plan.Decision) bool {
		return d.For != "" && b.By == d.For && b.Stage == d.Stage && b.Verdict != plan.Delegate
	}):
		return fault.New(fault.Conflict, "%s has decided already; nobody decides in their place", d.For)
	}
	return nil
}

// role is the approver ref that admits whoever decides: themselves, a group they are in at this moment, or that of
// somebody who has delegated to them, and who must still be admitted. Nobody who has left decides, nor is delegated to.
func (g *Gate) role(ctx context.Context, d plan.Decision, in activities.DecideInput) (as, instead string, err error) {
	stage := in.Approval.InStages()[d.Stage]
	before := slices.DeleteFunc(slices.Clone(in.Before), func(b plan.Decision) bool { return b.Stage != d.Stage })
	groups, err := g.groupsOf(ctx, d.By)
	if err != nil {
		return "", "", err
	}
	as, err = roleOf(d.By, groups, stage, before)
	if err == nil && d.Verdict == plan.Delegate {
		_, err = g.groupsOf(ctx, d.To)
	}
	i := slices.IndexFunc(before, func(b plan.Decision) bool { return b.Verdict == plan.Delegate && b.To == d.By })
	if err == nil || i < 0 || d.Verdict == plan.Delegate {
		return as, "", err
	}
	instead = before[i].By
	if groups, err = g.groupsOf(ctx, instead); err != nil {
		return "", "", err
	}
	as, err = roleOf(instead, groups, stage, before)
	return as, instead, err
}

// groupsOf asks the directory for somebody who decides, also where the approval names them and no group: a leaver may not.
func (g *Gate) groupsOf(ctx context.Context, who string) ([]string, error) {
	groups, err := g.Directory.Groups(ctx, who)
	if errors.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.Denied, err, "%s is not in the directory", who)
	}
	return groups, err
}

// roleOf prefers a ref that nobody has approved through, where each of them must.
func roleOf(by string, groups []string, stage plan.Stage, before []plan.Decision) (string, error) {
	through := func(ref string) bool {
		return slices.ContainsFunc(before, func(d plan.Decision) bool { return d.As == ref && d.Verdict == plan.Approve })
	}
	var found string
	for _, ref := range stage.Approvers {
		if ref != by && !slices.Contains(groups, ref) {
			continue
		}
		if found == "" || stage.Rule == plan.EachOne && through(found) {
			found = ref
		}
	}
	if found == "" {
		return "", fault.New(fault.Denied, "%s is not among the approvers", by)
	}
	return found, nil
}

// refuse writes a final refusal to the audit log, once, before it is told.
func (g *Gate) refuse(ctx context.Context, in activities.DecideInput, by string, refusal error) error {
	f := fault.From(refusal)
	if !f.Kind.Final() {
		return refusal
	}
	if by == "" {
		by = "unknown"
	}
	sum := sha256.Sum256([]byte(in.Statement))
	key := in.Gate + "/refused/" + hex.EncodeToString(sum[:16])
	err := g.Journal.Audit(ctx, in.Task, key, "approval-refused", by, map[string]any{
		"gate": in.Gate, "kind": string(f.Kind), "reason": f.Public, "digest": in.Digest,
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the refusal could not be written to the audit log")
	}
	return refusal
}
