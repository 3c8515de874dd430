package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/lease"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/notice"
)

const (
	reviewID = "access-review/" + owners + "/2027-03-28T00:00:00Z"
	bea      = "lease/bea"  // of rosa, whom the owners have nothing to do with
	mine     = "lease/mine" // of olga, who is one of them
	given    = "lease/given"
)

// reviews is a record in memory.
type reviews struct {
	items   []lease.ReviewItem
	decided []lease.ReviewDecision
	turns   map[string]int
}

func newReviews() *reviews {
	return &reviews{turns: map[string]int{}, items: []lease.ReviewItem{
		{Lease: bea, Of: []string{rosa, ""}}, {Lease: mine, Of: []string{olga, ""}}, {Lease: given, Of: []string{rosa, olga}},
	}}
}

func (*reviews) ReviewedOwners(context.Context) ([]string, error) { return []string{owners}, nil }

func (r *reviews) Open(context.Context, activities.OpenReview) (int, error) { return len(r.items), nil }

func (r *reviews) Items(context.Context, string) ([]lease.ReviewItem, error) { return r.items, nil }

func (r *reviews) Decide(_ context.Context, d lease.ReviewDecision) (int, error) {
	if turn, used := r.turns[d.Nonce]; used && turn != d.Turn {
		return 0, fault.New(fault.Conflict, "this decision was counted before")
	}
	r.turns[d.Nonce] = d.Turn
	r.decided = append(r.decided, d)
	return 2, nil
}

func (*reviews) Close(context.Context, string) error { return nil }

func reviewClaim() activities.ReviewClaim {
	return activities.ReviewClaim{OpenReview: activities.OpenReview{ID: reviewID, Owner: owners}, Turn: 1, Said: activities.DecideReview{Confirm: []string{bea}}}
}

func reviewed(by string, said activities.DecideReview) identity.Statement {
	return identity.Statement{Approver: by, Gate: reviewID, Digest: said.Digest(), Verdict: activities.ReviewVerdict, Comment: "spring"}
}

func TestDecideReview_OwnersWord_IsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	k, w, signer := keeper(t)
	book := newReviews()
	k.Reviews = book
	in := reviewClaim()
	var err error
	in.Said.Statement, err = signer.Sign(reviewed(olga, in.Said))
	require.NoError(t, err)
	for range 2 { // two attempts at one activity
		decided, err := k.DecideReview(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, activities.ReviewDecided{By: olga, Left: 2}, decided)
	}
	require.Equal(t, [2]string{olga, "spring"}, [2]string{book.decided[0].By, book.decided[0].Comment})
	require.Empty(t, w.audits)
	in.Turn = 2 // somebody sends it again
	_, err = k.DecideReview(t.Context(), in)
	require.Equal(t, fault.Conflict, fault.Unseal(err).Kind)
	require.Equal(t, []string{"review-refused " + olga}, w.audits)
}

func TestDecideReview_AnythingElse_IsRefusedAndAudited(t *testing.T) {
	t.Parallel()
	_, _, stranger := keeper(t)
	for name, c := range map[string]struct {
		claim  func(*activities.ReviewClaim)
		change func(*identity.Statement)
		forged bool
		kind   fault.Kind
	}{
		"forged":          {forged: true, kind: fault.Denied},
		"another review":  {change: func(s *identity.Statement) { s.Gate += "x" }, kind: fault.Denied},
		"an approval":     {change: func(s *identity.Statement) { s.Verdict = "approve" }, kind: fault.Denied},
		"other decisions": {change: func(s *identity.Statement) { s.Digest = activities.DecideReview{Revoke: []string{bea}}.Digest() }, kind: fault.Denied},
		"too old":         {change: func(s *identity.Statement) { s.IssuedAt = time.Now().Add(-48 * time.Hour) }, kind: fault.Denied},
		"a group":         {change: func(s *identity.Statement) { s.Approver = owners }, kind: fault.Denied},
		"no owner":        {change: func(s *identity.Statement) { s.Approver = amir }, kind: fault.Denied},
		"a stranger":      {change: func(s *identity.Statement) { s.Approver = "user:default/eve" }, kind: fault.Denied},
		"own access":      {claim: func(c *activities.ReviewClaim) { c.Said.Confirm = []string{mine} }, kind: fault.Denied},
		"granted to them": {claim: func(c *activities.ReviewClaim) { c.Said.Confirm = []string{bea, given} }, kind: fault.Denied},
		"by their login":  {claim: func(c *activities.ReviewClaim) { c.Said.Confirm = []string{"lease/login"} }, kind: fault.Denied},
		"not in it":       {claim: func(c *activities.ReviewClaim) { c.Said.Revoke = []string{"lease/other"} }, kind: fault.Invalid},
		"both":            {claim: func(c *activities.ReviewClaim) { c.Said.Revoke = []string{bea} }, kind: fault.Invalid},
		"nothing":         {claim: func(c *activities.ReviewClaim) { c.Said.Confirm = nil }, kind: fault.Invalid},
		"answered": {claim: func(c *activities.ReviewClaim) {
			c.Said = activities.DecideReview{Revoke: []string{"lease/answered"}}
		}, kind: fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, w, signer := keeper(t)
			book := newReviews()
			book.items = append(book.items, lease.ReviewItem{Lease: "lease/answered", Of: []string{rosa}, Verdict: "confirm", By: olga},
				lease.ReviewItem{Lease: "lease/login", Of: []string{rosa, "Olga@acme.com"}})
			k.Reviews = book
			in := reviewClaim()
			if c.claim != nil {
				c.claim(&in)
			}
			said := reviewed(olga, in.Said)
			if c.change != nil {
				c.change(&said)
			}
			if c.forged {
				signer = stranger
			}
			var err error
			in.Said.Statement, err = signer.Sign(said)
			require.NoError(t, err)
			_, err = k.DecideReview(t.Context(), in)
			require.Equal(t, c.kind, fault.Unseal(err).Kind, "%v", err)
			require.Len(t, w.audits, 1)
			require.Contains(t, w.audits[0], "review-refused ")
			require.Empty(t, book.decided)
		})
	}
}

func TestReview_OwnerIsAskedAndReminded_IfSomethingIsLeft(t *testing.T) {
	t.Parallel()
	k, w, _ := keeper(t)
	book := newReviews()
	k.Reviews, k.PublicURL = book, "https://gildway"
	open := activities.OpenReview{ID: reviewID, Owner: owners, Due: ends}
	_, err := k.OpenReview(t.Context(), open)
	require.NoError(t, err)
	book.items[0].Verdict, book.items[1].Ended = "confirm", true
	require.NoError(t, k.RemindReview(t.Context(), open))
	book.items[2].Verdict = "revoke"
	require.NoError(t, k.RemindReview(t.Context(), open))
	require.Len(t, w.notices, 2)
	require.Equal(t, "Access review: 3 grants of your templates", w.notices[0].Title)
	require.Equal(t, "Reminder: access review, 1 grants are left", w.notices[1].Title)
	for _, n := range w.notices {
		require.Equal(t, notice.ReviewDue, n.Kind)
		require.Equal(t, []string{owners}, n.To)
		require.Equal(t, ends, *n.Due)
		require.Contains(t, n.Text, "gildway access review show "+reviewID)
		require.Contains(t, n.Link, "https://gildway/api/gildway/v1/access/reviews/access-review%2F")
	}
	book.items = nil
	_, err = k.OpenReview(t.Context(), open)
	require.NoError(t, err)
	require.Len(t, w.notices, 2, "of nothing nobody is asked")
}
