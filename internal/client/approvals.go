package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Approval is a gate that a run waits or waited at.
type Approval struct {
	ID        string    `json:"id"`
	Task      string    `json:"task"`
	Step      string    `json:"step"`
	Title     string    `json:"title"`
	Reason    string    `json:"reason"`
	Requester string    `json:"requester"`
	Approvers []string  `json:"approvers"`
	Required  int       `json:"required"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"createdAt"`
	Template  string    `json:"template"`
	Shown     string    `json:"shown"` // digest of Seen
	Seen      *Seen     `json:"seen"`  // nil at gates of older releases
	Decisions []struct {
		By      string    `json:"by"`
		Verdict string    `json:"verdict"`
		Comment string    `json:"comment"`
		At      time.Time `json:"at"`
		To      string    `json:"to"` // of delegate
	} `json:"decisions"`
}

// Seen is what is decided about.
type Seen struct {
	Input  json.RawMessage `json:"input"`
	Values json.RawMessage `json:"values"` // what was submitted
	Behind []struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Action string `json:"action"`
	} `json:"behind"` // the steps that an approval lets begin
	Effects []struct {
		Step  string   `json:"step"`
		Would []string `json:"would"` // a sentence each, without its subject
	} `json:"effects"` // what those steps would do
	Unforeseen string `json:"unforeseen"` // why nobody can say that
}

// Approval gives one gate.
func (c *Client) Approval(ctx context.Context, id string) (a Answer[Approval], err error) {
	return a, c.call(ctx, http.MethodGet, v1+"approvals/"+url.PathEscape(id), nil, &a)
}

// Approvals lists gates; task and state may be empty.
func (c *Client) Approvals(ctx context.Context, task, state string) ([]Approval, error) {
	page, err := List[Approval](ctx, c, "approvals", url.Values{"task": {task}, "state": {state}})
	return page.Value.Items, err
}

// Decide approves or rejects; decision is "approve" or "reject".
func (c *Client) Decide(ctx context.Context, approval, decision, comment string) error {
	_, err := c.Decision(ctx, approval, decision, comment, "")
	return err
}

// Decided is what an approval has come to: pending, approved or rejected.
type Decided struct{ State string }

// Decision is Decide, with what the API says to it. It is about what has the digest shown, unless that is "".
func (c *Client) Decision(ctx context.Context, approval, decision, comment, shown string) (Answer[Decided], error) {
	var a Answer[Decided]
	return a, c.call(ctx, http.MethodPost, v1+"approvals/"+url.PathEscape(approval)+"/decision",
		map[string]string{"decision": decision, "comment": comment, "shown": shown}, &a)
}

// Delegate lets somebody else decide in the caller's place.
func (c *Client) Delegate(ctx context.Context, approval, to, comment string) (a Answer[Decided], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"approvals/"+url.PathEscape(approval)+"/decision",
		map[string]string{"decision": "delegate", "to": to, "comment": comment}, &a)
}

// Signed is a decision that is not handed in.
type Signed struct {
	Task      string          `json:"task"`
	Signal    string          `json:"signal"`
	Statement string          `json:"statement"`
	Input     json.RawMessage `json:"input"`
}

// Sign makes a decision without handing it in.
func (c *Client) Sign(ctx context.Context, approval, decision, comment string) (a Answer[Signed], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"approvals/"+url.PathEscape(approval)+"/statement",
		map[string]string{"decision": decision, "comment": comment}, &a)
}

// ApprovalLink is a link with which one person decides one approval in a browser.
type ApprovalLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// LinkApproval makes a link of the caller's own.
func (c *Client) LinkApproval(ctx context.Context, approval string) (a Answer[ApprovalLink], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"approvals/"+url.PathEscape(approval)+"/link", nil, &a)
}

// Key is a minted key, ready to be unwrapped in Vault once.
type Key struct {
	Step          string    `json:"step"`
	WrappingToken string    `json:"wrappingToken"`
	Address       string    `json:"address"`
	Mount         string    `json:"mount"`
	Path          string    `json:"path"`
	ExpiresAt     time.Time `json:"expiresAt"`
}

// Collect takes over the keys that a run minted. It works once, for the requester alone.
func (c *Client) Collect(ctx context.Context, task string) ([]Key, error) {
	page, err := c.Collected(ctx, task)
	return page.Value.Items, err
}

// Collected is Collect, with all that the API says.
func (c *Client) Collected(ctx context.Context, task string) (Answer[Page[Key]], error) {
	var a Answer[Page[Key]]
	return a, c.call(ctx, http.MethodPost, "/api/gildway/v1/tasks/"+url.PathEscape(task)+"/collect", nil, &a)
}

// Graph is a run's plan with what became of each step.
type Graph struct {
	Template string      `json:"template"`
	Status   string      `json:"status"`
	TookMs   int64       `json:"tookMs"` // until the answer was made, if it has not ended
	Steps    []GraphStep `json:"steps"`
	Edges    []struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Reason string `json:"reason"`
	} `json:"edges"`
}

// GraphStep is one node.
type GraphStep struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Action    string     `json:"action"`
	Kind      string     `json:"kind"`
	State     string     `json:"state"`
	StartedAt *time.Time `json:"startedAt"`
	EndedAt   *time.Time `json:"endedAt"`
	TookMs    int64      `json:"tookMs"` // until the answer was made, if it has not ended
	Attempts  int        `json:"attempts"`
	Critical  bool       `json:"critical"`
	WaitsFor  []WaitsFor `json:"waitingFor"`
}

// WaitsFor is a reason why a step doesn't go on.
type WaitsFor struct {
	Kind string `json:"kind"` // step, approval, place, start or pause
	ID   string `json:"id"`
	Says string `json:"says"`
}

// Graph draws a run.
func (c *Client) Graph(ctx context.Context, task string) (Graph, error) {
	a, err := c.WholeGraph(ctx, task)
	return a.Value, err
}
