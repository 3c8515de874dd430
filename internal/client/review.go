package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// AccessReview asks an owner about what their templates have granted.
type AccessReview struct {
	ID     string          `json:"id"`
	Owner  string          `json:"owner"`
	State  string          `json:"state"` // open or closed
	DueAt  time.Time       `json:"dueAt"`
	Grants int             `json:"grants"`
	Left   int             `json:"left"` // without an answer
	Items  []ReviewedGrant `json:"items"`
}

// ReviewedGrant is a grant in a review.
type ReviewedGrant struct {
	Lease     string    `json:"lease"`
	Action    string    `json:"action"`
	Requester string    `json:"requester"`
	Grantee   string    `json:"grantee"`
	ExpiresAt time.Time `json:"expiresAt"`
	Ended     bool      `json:"ended"`
	Verdict   string    `json:"verdict"` // confirm or revoke; "" = no answer
	DecidedBy string    `json:"decidedBy"`
}

// ReviewDecision is what an owner says about grants, by the ids of their leases.
type ReviewDecision struct {
	Confirm    []string `json:"confirm,omitempty"`
	Revoke     []string `json:"revoke,omitempty"`
	ConfirmAll bool     `json:"confirmAll,omitempty"` // also the rest, but for the caller's own
	Comment    string   `json:"comment,omitempty"`
}

// AccessReview gives a review with its grants.
func (c *Client) AccessReview(ctx context.Context, id string) (a Answer[AccessReview], err error) {
	return a, c.call(ctx, http.MethodGet, v1+"access/reviews/"+url.PathEscape(id), nil, &a)
}

// DecideAccessReview confirms or revokes grants.
func (c *Client) DecideAccessReview(ctx context.Context, id string, d ReviewDecision) (a Answer[AccessReview], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"access/reviews/"+url.PathEscape(id)+"/decision", d, &a)
}
