package lease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
)

// Reviews is the record of access reviews.
type Reviews interface {
	ReviewedOwners(ctx context.Context) ([]string, error)
	// Open notes what there is to review; the same review again is the one that there is.
	Open(ctx context.Context, r activities.OpenReview) (items int, err error)
	// Items are the grants of a review.
	Items(ctx context.Context, review string) ([]ReviewItem, error)
	// Decide notes decisions once for each turn, asks for the end of what is revoked, and says how many grants are left. A nonce
	// that was used before is a Conflict fault.
	Decide(ctx context.Context, d ReviewDecision) (left int, err error)
	Close(ctx context.Context, review string) error
}

// ReviewItem is a grant that is reviewed.
type ReviewItem struct {
	Lease   string
	Of      []string // who asked for it, and whom it was granted to
	Verdict string   // "" = no answer
	By      string   // who has answered
	Ended   bool
}

// ReviewDecision is what an owner has said, once it is checked.
type ReviewDecision struct {
	activities.ReviewClaim
	By, Comment, Nonce string
}

// ReviewedOwners says whose templates have granted something. It is a Temporal activity; so are those below.
func (k *Keeper) ReviewedOwners(ctx context.Context) ([]string, error) {
	owners, err := k.Reviews.ReviewedOwners(ctx)
	return owners, k.sealed(ctx, "list owners", err)
}

// OpenReview writes a review down and asks its owner. Of nothing nobody is asked.
func (k *Keeper) OpenReview(ctx context.Context, r activities.OpenReview) (items int, err error) {
	if items, err = k.Reviews.Open(ctx, r); err != nil || items == 0 {
		return items, k.sealed(ctx, "open a review", err)
	}
	return items, k.sealed(ctx, "ask for a review", k.ask(ctx, r, "opened", fmt.Sprintf("Access review: %d grants of your templates", items)))
}

// RemindReview asks an owner once more, if something is left.
func (k *Keeper) RemindReview(ctx context.Context, r activities.OpenReview) error {
	items, err := k.Reviews.Items(ctx, r.ID)
	if err != nil {
		return k.sealed(ctx, "remind of a review", err)
	}
	left := 0
	for _, i := range items {
		if i.Verdict == "" && !i.Ended {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	return k.sealed(ctx, "remind of a review", k.ask(ctx, r, "reminder", fmt.Sprintf("Reminder: access review, %d grants are left", left)))
}

func (k *Keeper) ask(ctx context.Context, r activities.OpenReview, what, title string) error {
	return k.Notifier.Notify(ctx, notice.Notice{
		Key: r.ID + "/" + what, Kind: notice.ReviewDue, To: []string{r.Owner}, Due: &r.Due, Title: title,
		Link: k.PublicURL + "/api/gildway/v1/access/reviews/" + url.PathEscape(r.ID),
		Text: "Confirm or revoke each of them. Which they are: gildway access review show " + r.ID,
	})
}

// CloseReview ends a review, and tells what has no answer.
func (k *Keeper) CloseReview(ctx context.Context, r activities.OpenReview) error {
	return k.sealed(ctx, "close a review", k.Reviews.Close(ctx, r.ID))
}

// DecideReview carries out what an owner says in a genuine statement about these grants. Any other is refused and audited.
func (k *Keeper) DecideReview(ctx context.Context, in activities.ReviewClaim) (activities.ReviewDecided, error) {
	decided, err := k.decideReview(ctx, in, time.Now())
	return decided, k.sealed(ctx, "decide a review", err)
}

func (k *Keeper) decideReview(ctx context.Context, in activities.ReviewClaim, now time.Time) (activities.ReviewDecided, error) {
	said, err := k.Verifier.Verify(in.Said.Statement, now)
	if err != nil {
		return activities.ReviewDecided{}, k.refuseReview(ctx, in, "unknown", err)
	}
	var left int
	if err = k.admitReview(ctx, in, said); err == nil {
		left, err = k.Reviews.Decide(ctx, ReviewDecision{ReviewClaim: in, By: said.Approver, Comment: said.Comment, Nonce: said.Nonce})
	}
	if err != nil {
		return activities.ReviewDecided{}, k.refuseReview(ctx, in, said.Approver, err)
	}
	return activities.ReviewDecided{By: said.Approver, Left: left}, nil
}

// admitReview checks that a genuine statement says this about this review, and that whoever made it may.
func (k *Keeper) admitReview(ctx context.Context, in activities.ReviewClaim, said identity.Statement) error {
	switch {
	case said.Gate != in.ID:
		return fault.New(fault.Denied, "the statement is about another review")
	case said.Verdict != activities.ReviewVerdict:
		return fault.New(fault.Denied, "the statement reviews nothing")
	case said.Digest != in.Said.Digest():
		return fault.New(fault.Denied, "the statement is about other decisions")
	}
	who, err := k.author(ctx, said)
	if err != nil {
		return err
	}
	if !identity.MayReview(who, in.Owner) {
		return fault.New(fault.Denied, "%s may not review what templates of %s have granted", said.Approver, in.Owner)
	}
	items, err := k.Reviews.Items(ctx, in.ID)
	if err != nil {
		return err
	}
	of, err := k.ownsAs(ctx, items, said.Approver)
	if err != nil {
		return err
	}
	return reviewable(items, in.Said, said.Approver, of)
}

// ownsAs are the names under which a person may have been granted something: their ref and, if any login was, their address.
func (k *Keeper) ownsAs(ctx context.Context, items []ReviewItem, person string) ([]string, error) {
	names := []string{person}
	if !slices.ContainsFunc(items, func(i ReviewItem) bool { return strings.Contains(strings.Join(i.Of, " "), "@") }) {
		return names, nil
	}
	email, err := k.Directory.Email(ctx, person)
	if errors.Is(err, fault.NotFound) {
		return names, nil
	}
	return append(names, email), err
}

// ofOneOf reports whether somebody with one of these names has asked for it or was granted it.
func (i ReviewItem) ofOneOf(names []string) bool {
	return slices.ContainsFunc(i.Of, func(of string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(of, name) })
	})
}

// reviewable says what is wrong with decisions about these items, by somebody with these names.
func reviewable(items []ReviewItem, said activities.DecideReview, by string, names []string) error {
	if len(said.Confirm)+len(said.Revoke) == 0 {
		return fault.New(fault.Invalid, "the statement says nothing about any grant")
	}
	of := map[string]ReviewItem{}
	for _, i := range items {
		of[i.Lease] = i
	}
	verdicts := map[string]string{}
	for verdict, leases := range map[string][]string{"confirm": said.Confirm, "revoke": said.Revoke} {
		for _, lease := range leases {
			item, known := of[lease]
			switch {
			case !known:
				return fault.New(fault.Invalid, "%s is not part of this review", lease)
			case verdicts[lease] != "":
				return fault.New(fault.Invalid, "%s is named twice", lease)
			case item.ofOneOf(names):
				return fault.New(fault.Denied, "%s is access of %s, who can't review it; somebody else has to", lease, by)
			case item.Verdict != "" && (item.Verdict != verdict || item.By != by):
				return fault.New(fault.Conflict, "%s has an answer already, by %s", lease, item.By)
			}
			verdicts[lease] = verdict
		}
	}
	return nil
}

// refuseReview writes a final refusal to the audit log, once, before it is told.
func (k *Keeper) refuseReview(ctx context.Context, in activities.ReviewClaim, by string, refusal error) error {
	f := fault.From(refusal)
	if !f.Kind.Final() {
		return refusal
	}
	sum := sha256.Sum256([]byte(in.Said.Statement))
	err := k.Journal.Audit(ctx, "", in.ID+"/refused/"+hex.EncodeToString(sum[:16]), "review-refused", by, map[string]any{
		"review": in.ID, "kind": string(f.Kind), "reason": f.Public,
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the refusal could not be written to the audit log")
	}
	return refusal
}
