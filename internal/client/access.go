package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Lease is a grant with an end.
type Lease struct {
	ID        string     `json:"id"`
	Task      string     `json:"task"`
	Step      string     `json:"step"`
	Action    string     `json:"action"`
	Requester string     `json:"requester"`
	State     string     `json:"state"`
	ExpiresAt time.Time  `json:"expiresAt"`
	RevokedAt *time.Time `json:"revokedAt"` // when somebody asked for its end

	Drift          *Drift     `json:"drift"` // nil: as it was granted, as far as anybody has looked
	CheckedAt      *time.Time `json:"checkedAt"`
	Unchecked      string     `json:"unchecked"` // why it can't be seen
	UncheckedSince *time.Time `json:"uncheckedSince"`
}

// Drift is something that is not as it was granted.
type Drift struct {
	Kind  string    `json:"kind"` // gone, changed, overdue or unmanaged
	Says  string    `json:"says"`
	Since time.Time `json:"since"` // when it was seen first
	Task  string    `json:"task"`
	Lease string    `json:"lease"`
}

// AccessCheck is a look at what was granted.
type AccessCheck struct {
	State     string `json:"state"` // never, running, done or failed
	Checked   int    `json:"checked"`
	Drifted   int    `json:"drifted"`
	Unchecked int    `json:"unchecked"`
}

// CheckAccess begins to look at what was granted, with a user only at what is theirs.
func (c *Client) CheckAccess(ctx context.Context, user string) (a Answer[AccessCheck], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"access/check?user="+url.QueryEscape(user), nil, &a)
}

// AccessCheck tells how far that has come.
func (c *Client) AccessCheck(ctx context.Context, user string) (a Answer[AccessCheck], err error) {
	return a, c.call(ctx, http.MethodGet, v1+"access/check?user="+url.QueryEscape(user), nil, &a)
}

// Renewed is what became of a wish to keep a grant: renewed, or asked.
type Renewed struct {
	State     string    `json:"state"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Leases lists the grants that the caller may see.
func (c *Client) Leases(ctx context.Context) ([]Lease, error) {
	page, err := List[Lease](ctx, c, "access", url.Values{})
	return page.Value.Items, err
}

// Lease gives one grant.
func (c *Client) Lease(ctx context.Context, id string) (l Lease, err error) {
	return l, c.call(ctx, http.MethodGet, v1+"access/"+url.PathEscape(id), nil, &l)
}

// Renew puts the end of a grant off, or asks those who may.
func (c *Client) Renew(ctx context.Context, id string) (a Answer[Renewed], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"access/"+url.PathEscape(id)+"/renew", nil, &a)
}

// Revoke asks for the end of a grant.
func (c *Client) Revoke(ctx context.Context, id, reason string) (a Answer[Lease], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"access/"+url.PathEscape(id)+"/revoke", map[string]string{"reason": reason}, &a)
}

// Revoked is what ends of a person's access, and what doesn't.
type Revoked struct {
	Items []Lease `json:"items"`
	Stays []struct {
		Task   string `json:"task"`
		Step   string `json:"step"`
		Action string `json:"action"`
		Says   string `json:"says"` // what to do about it
	} `json:"stays"`
	Unsure string `json:"unsure"` // why something may be missing
}

// RevokeAll asks for the end of all that a person was granted, as far as the caller may.
func (c *Client) RevokeAll(ctx context.Context, user, reason string) (a Answer[Revoked], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"access/revoke", map[string]string{"user": user, "reason": reason}, &a)
}

// Effect is something that a task has done and that is not undone.
type Effect struct {
	Key     string     `json:"key"`
	Task    string     `json:"task"`
	Step    string     `json:"step"`
	Action  string     `json:"action"`
	BeganAt time.Time  `json:"beganAt"`
	DoneAt  *time.Time `json:"doneAt"`  // nil: the call never said how it ended
	Problem string     `json:"problem"` // why it could not be undone
	TriedAt *time.Time `json:"triedAt"` // when that was found out last
}

// Rollback asks for all that a task has done to be undone, and gives what that is.
func (c *Client) Rollback(ctx context.Context, task, reason string, force bool) (a Answer[Page[Effect]], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"tasks/"+url.PathEscape(task)+"/rollback", map[string]any{"reason": reason, "force": force}, &a)
}

// Effects lists what a task has done and not undone.
func (c *Client) Effects(ctx context.Context, task string) (a Answer[Page[Effect]], err error) {
	return a, c.call(ctx, http.MethodGet, v1+"tasks/"+url.PathEscape(task)+"/effects", nil, &a)
}
