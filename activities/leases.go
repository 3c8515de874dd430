package activities

import (
	"encoding/json"
	"time"

	"github.com/gildway/gildway/internal/plan"
)

// RenewActivity is the activity type that prolongs what an action granted with an end of its own: UndoInvocation,
// whose LeaseEnds is the new end, -> the new output.
func RenewActivity(action string) string { return action + ".renew" }

// LeaseID is the id of the workflow that ends the effect of a call: one for every effect.
func LeaseID(call Invocation) string { return "lease/" + call.Key() }

// LeaseRecord tells the read model about a grant with an end.
type LeaseRecord struct {
	ID        string          `json:"id"`
	Task      string          `json:"task"`
	Step      string          `json:"step"`
	Action    string          `json:"action"`
	Requester string          `json:"requester"`
	Template  string          `json:"template"`
	Expires   time.Time       `json:"expires"`
	Output    json.RawMessage `json:"output,omitempty"`

	Lease *plan.Lease `json:"lease,omitempty"` // what it allows; nil in leases of older releases
}

// LeaseEnded tells the read model how a grant ended: expired or revoked.
type LeaseEnded struct {
	ID    string    `json:"id"`
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// LeaseWorkflow is the workflow type of a lease, LeaseInput its input, and "lease/<task>/<step>[/<iteration>]" its id.
const LeaseWorkflow = "gildway:lease"

// LeaseInput is a grant that ends by itself.
type LeaseInput struct {
	ID      string         `json:"id"`
	Lease   plan.Lease     `json:"lease"`
	Expires time.Time      `json:"expires"`
	Queue   string         `json:"queue"`
	Undo    UndoInvocation `json:"undo"`
	Action  string         `json:"action"`

	Granted  *time.Time `json:"granted,omitempty"`  // the first time; leases of older releases, without it, remind nobody
	Renews   bool       `json:"renews,omitempty"`   // the action has something to do when the lease is renewed
	Reminded *time.Time `json:"reminded,omitempty"` // the end that people were reminded of
}

// LeaseReminder tells people that access ends soon.
type LeaseReminder struct {
	ID        string        `json:"id"`
	Task      string        `json:"task"`
	StepName  string        `json:"stepName"`
	Template  plan.Template `json:"template"`
	Requester string        `json:"requester"`
	Expires   time.Time     `json:"expires"`
	Lease     plan.Lease    `json:"lease"`
	Last      bool          `json:"last,omitempty"` // it can't be renewed
}

// RenewLease is the argument of the update `renew`.
type RenewLease struct {
	Statement string `json:"statement"` // compact JWS; its digest is RenewalOf the lease's present end
}

// RenewedLease is what it answers.
type RenewedLease struct {
	Expires time.Time `json:"expires"`
}

// RenewalOf is what a statement that renews a lease is about: one end of it, as Postgres keeps it, so that it renews once.
func RenewalOf(expires time.Time) string {
	return "renews " + expires.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// RenewVerdict is the verdict of such a statement. It is none that a gate takes.
const RenewVerdict = "renew"

// RenewalClaim asks who renews a lease, and whether they may.
type RenewalClaim struct {
	ID        string     `json:"id"`
	Task      string     `json:"task"`
	Requester string     `json:"requester"`
	Owner     string     `json:"owner,omitempty"` // of the template
	Lease     plan.Lease `json:"lease"`
	Expires   time.Time  `json:"expires"`
	Statement string     `json:"statement"`
}

// LeaseRenewed tells the read model that a grant lasts longer.
type LeaseRenewed struct {
	ID      string          `json:"id"`
	Task    string          `json:"task"`
	Step    string          `json:"step"`
	By      string          `json:"by"`
	Before  time.Time       `json:"before"`
	Expires time.Time       `json:"expires"`
	Output  json.RawMessage `json:"output,omitempty"` // if the action gave another one
}

// RevokeAndTell ends a lease, and asks it to tell a workflow when the grant is gone.
type RevokeAndTell struct {
	Why  string `json:"why"`
	Tell string `json:"tell"` // workflow id
}

// LeaseReport says how a lease ended.
type LeaseReport struct {
	ID      string `json:"id"`
	Problem string `json:"problem,omitempty"` // why the grant was left alone
}
