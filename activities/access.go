package activities

import (
	"time"
)

// Names of the activities that look whether what was granted is still there.
const (
	GrantsActivity      = "gildway:grants"       // GrantsQuery -> GrantPage
	CheckGrantsActivity = "gildway:check-grants" // on every queue; CheckGrants -> CheckedAccess
	UncheckedActivity   = "gildway:unchecked"    // local; UncheckedGrants -> nothing
)

// DriftKind says how what is there is unlike what was granted.
type DriftKind string

const (
	Gone      DriftKind = "gone"      // it is not there any more, or not all of it
	Changed   DriftKind = "changed"   // somebody has put something else in its place
	Overdue   DriftKind = "overdue"   // its time is over, and it is still there
	Unmanaged DriftKind = "unmanaged" // somebody has access that no run has granted
)

// Standing is how what a call has granted stands at its provider. The zero value: as it was granted.
type Standing struct {
	Drift   DriftKind // Gone or Changed
	Says    string    // what is unlike, a sentence for people
	Circles []Circle  // what it shares with others
}

// With adds how another part of the same grant stands.
func (s Standing) With(part Standing) Standing {
	s.Circles = append(s.Circles, part.Circles...)
	switch {
	case part.Drift == "":
	case s.Drift == "":
		s.Drift, s.Says = part.Drift, part.Says
	default:
		s.Says += "; " + part.Says
	}
	return s
}

// Circle is something that several people are in, such as a group.
type Circle struct {
	ID        string     // what the ids of the Holds in it begin with, e.g. okta/00g1/
	Strangers []Stranger // who is in it and is held by no call of ours
}

// Stranger is somebody with access that no run has granted.
type Stranger struct {
	Resource string // what a Hold of it would be called
	Says     string // a sentence for people
}

// Granted is a call whose grant is to be there.
type Granted struct {
	Effect
	Ends   *time.Time // by its lease as it is now; nil = never
	Ending bool       // somebody has asked for its end
	Drift  DriftKind  // as it was seen last
	Says   string
}

// CheckWorkflow is the workflow type of a look at what was granted, CheckInput its input and CheckedAccess its result.
// It changes nothing at any provider.
const CheckWorkflow = "gildway:access-check"

// CheckInput says what to look at.
type CheckInput struct {
	User string `json:"user,omitempty"` // only what a person asked for or was granted

	After   int64         `json:"after,omitempty"`   // where the execution before has come to
	Checked CheckedAccess `json:"checked,omitempty"` // and what it has found
}

// CheckID is the workflow id of a check that somebody asks for.
func CheckID(user string) string {
	if user == "" {
		user = "all"
	}
	return CheckRounds + "/" + user
}

// GrantsQuery asks what there is to look at.
type GrantsQuery struct {
	User  string `json:"user,omitempty"`
	After int64  `json:"after,omitempty"`
}

// GrantPage are grants to look at, in batches of one queue each.
type GrantPage struct {
	Batches []GrantBatch `json:"batches,omitempty"`
	Next    int64        `json:"next,omitempty"` // 0: there are no more
}

// GrantBatch is looked at in one go.
type GrantBatch struct {
	Queue string   `json:"queue"`
	Keys  []string `json:"keys"`
}

// CheckGrants asks to look at grants. What has changed is written down only when it is confirmed: a grant that is just being
// taken back looks as if somebody else had done it.
type CheckGrants struct {
	Keys    []string `json:"keys"`
	Confirm bool     `json:"confirm,omitempty"`
}

// CheckedAccess is what a look at grants has found.
type CheckedAccess struct {
	Checked   int      `json:"checked"`
	Drifted   int      `json:"drifted"`
	Unchecked int      `json:"unchecked"`          // whose provider gave no answer
	Suspects  []string `json:"suspects,omitempty"` // keys of grants to be looked at once more
}

// Plus adds what was found elsewhere.
func (c CheckedAccess) Plus(more CheckedAccess) CheckedAccess {
	return CheckedAccess{Checked: c.Checked + more.Checked, Drifted: c.Drifted + more.Drifted, Unchecked: c.Unchecked + more.Unchecked}
}

// UncheckedGrants tells the read model that grants could not be looked at.
type UncheckedGrants struct {
	Keys []string `json:"keys"`
	Why  string   `json:"why"`
}

// CheckRounds is the workflow id of the rounds of checks.
const CheckRounds = "access-check"

// RoundsWorkflow is the workflow type of what is done again and again, RoundsInput its input.
const RoundsWorkflow = "gildway:access-rounds"

// RoundsInput says what to do how often. Rounds begin at fixed times, those that time.Truncate gives, so that each has the same
// workflow id, "<that of the rounds>/<its beginning>", whoever starts it.
type RoundsInput struct {
	ID     string        `json:"id"`               // the workflow id
	Check  *CheckInput   `json:"check,omitempty"`  // what a round does: this,
	Review *ReviewRound  `json:"review,omitempty"` // or this
	Every  time.Duration `json:"every"`

	Last *time.Time `json:"last,omitempty"` // the round that the execution before has begun
}
