// Package notice says what people are told of a run outside the portal: what a notice is, and when it is one and the same.
package notice

import "time"

// Kind says what a notice is about.
type Kind string

const (
	ApprovalOpened   Kind = "approval-opened"   // to the approvers
	ApprovalReminder Kind = "approval-reminder" // to those who have not decided
	ApprovalClosed   Kind = "approval-closed"   // to the requester
	LeaseReminder    Kind = "lease-reminder"    // to the requester and the owner: access ends soon
	RenewalAsked     Kind = "renewal-asked"     // to those who renew
	LeaseEnded       Kind = "lease-ended"       // to the requester
	ReviewDue        Kind = "review-due"        // to an owner: confirm or revoke a team's access
	AccessDrifted    Kind = "access-drifted"    // to an owner: access was changed behind our back
	RunCompleted     Kind = "run-completed"     // to the requester
	RunFailed        Kind = "run-failed"        // to the requester and the template's owner
	UndoFailed       Kind = "undo-failed"       // to the template's owner: something is left behind
	ScheduleRefused  Kind = "schedule-refused"  // to whose schedule it is and the template's owner: it could run nothing
)

// Kinds are all of them, in the order in which people meet them.
var Kinds = []Kind{
	ApprovalOpened, ApprovalReminder, ApprovalClosed, RunCompleted, RunFailed, UndoFailed, ScheduleRefused,
	LeaseReminder, RenewalAsked, LeaseEnded, ReviewDue, AccessDrifted,
}

// Notice is a message to people. It holds nothing secret: whoever may read it may read the task.
type Notice struct {
	Key  string   `json:"key"` // the same key is the same notice: it is sent once
	Kind Kind     `json:"kind"`
	To   []string `json:"to"`             // canonical user and group refs
	Task string   `json:"task,omitempty"` // where its link leads, unless Link says otherwise
	// Approval is the id of the approval that it is about. To somebody's own address the link can be a personal one.
	Approval string     `json:"approval,omitempty"`
	Title    string     `json:"title"`          // one line of plain text
	Text     string     `json:"text,omitempty"` // plain text, lines separated by \n
	Link     string     `json:"link,omitempty"` // absolute URL
	Due      *time.Time `json:"due,omitempty"`  // until when somebody has to act
}

// LinkText says where the link of a notice leads.
func (n Notice) LinkText() string {
	switch n.Kind {
	case ApprovalOpened, ApprovalReminder:
		return "Open the approval"
	case ReviewDue:
		return "Open the review"
	default:
		return "Open the run"
	}
}

// DueText says until when somebody has to act; "" if nobody has to.
func (n Notice) DueText() string {
	if n.Due == nil {
		return ""
	}
	return "Until " + n.Due.UTC().Format("Monday, 2 January 2006, 15:04 MST")
}
