package activities

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Names of the activities of access reviews.
const (
	ReviewedOwnersActivity = "gildway:reviewed-owners" // nothing -> []string
	OpenReviewActivity     = "gildway:open-review"     // OpenReview -> how many grants it is about
	RemindReviewActivity   = "gildway:remind-review"   // local; OpenReview -> nothing
	DecideReviewActivity   = "gildway:decide-review"   // ReviewClaim -> ReviewDecided
	CloseReviewActivity    = "gildway:close-review"    // local; OpenReview -> nothing
)

// ReviewRounds is the workflow id of the rounds of access reviews, and ReviewRoundWorkflow the workflow type of one.
const (
	ReviewRounds        = "access-reviews"
	ReviewRoundWorkflow = "gildway:access-review-round"
)

// ReviewRound has the owners of templates review what these have granted, each for themselves.
type ReviewRound struct {
	At     time.Time     `json:"at,omitzero"` // when the round was due; the rounds set it
	Within time.Duration `json:"within"`      // how long an owner has
}

// ReviewWorkflow is the workflow type of an access review: one owner, one round.
const ReviewWorkflow = "gildway:access-review"

// ReviewID is the workflow id of a review, and its id for people.
func ReviewID(owner string, round time.Time) string {
	return "access-review/" + owner + "/" + round.UTC().Format(time.RFC3339)
}

// ReviewInput is a review and, in a fresh execution, how far the one before has come.
type ReviewInput struct {
	ID     string        `json:"id"`
	Owner  string        `json:"owner"`
	Within time.Duration `json:"within"`

	Opened   *OpenReview `json:"opened,omitempty"`
	Reminded bool        `json:"reminded,omitempty"`
	Turn     int         `json:"turn,omitempty"` // how many decisions have come
}

// OpenReview is a review as people see it.
type OpenReview struct {
	ID    string    `json:"id"`
	Owner string    `json:"owner"`
	Due   time.Time `json:"due"`
}

// DecideReview is the argument of the update `review`: what an owner says about some of the grants, lease ids.
type DecideReview struct {
	Confirm   []string `json:"confirm,omitempty"`
	Revoke    []string `json:"revoke,omitempty"`
	Statement string   `json:"statement"` // compact JWS; its digest is Digest
}

// Digest is what a statement is about: exactly these decisions.
func (d DecideReview) Digest() string {
	said := [2][]string{slices.Sorted(slices.Values(d.Confirm)), slices.Sorted(slices.Values(d.Revoke))}
	text, _ := json.Marshal(said) // strings always can
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ReviewVerdict is the verdict of such a statement. It is none that a gate or a lease takes.
const ReviewVerdict = "review"

// ReviewClaim asks to check what an owner says, and to do as they say.
type ReviewClaim struct {
	OpenReview
	Turn int          `json:"turn"` // which decision of the review this is: another attempt at it counts nothing twice
	Said DecideReview `json:"said"`
}

// ReviewDecided says who has decided, and how many grants are left.
type ReviewDecided struct {
	By   string `json:"by"`
	Left int    `json:"left"`
}
