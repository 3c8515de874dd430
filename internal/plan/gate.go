package plan

import "time"

// Approval is an approval gate as it came out of the template: who may decide and how many must.
type Approval struct {
	Approvers []string `json:"approvers"` // canonical user and group refs; anyone who is one, or in one, may decide
	Required  int      `json:"required"`  // approvals by different people; at least 1
	Reason    string   `json:"reason,omitempty"`
	Timeout   Duration `json:"timeout,omitempty"` // 0 = waits for ever
}

// Verdict is what one approver said.
type Verdict string

const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// Decision is one verified statement of one approver.
type Decision struct {
	By      string    `json:"by"` // user ref
	As      string    `json:"as"` // the approver ref that admitted them: themselves or a group
	Verdict Verdict   `json:"verdict"`
	Comment string    `json:"comment,omitempty"`
	Nonce   string    `json:"nonce"`
	At      time.Time `json:"at"`
}

// Outcome is what the decisions so far add up to.
type Outcome string

const (
	Pending  Outcome = "pending"
	Approved Outcome = "approved"
	Rejected Outcome = "rejected"
)

// Decide says what the decisions add up to. It is a fold without clock or look-up: the same
// decisions in any order give the same outcome. The requester's own decision counts for nothing,
// one rejection rejects, and two approvals by one person are one.
func (a Approval) Decide(requester string, all []Decision) Outcome {
	yes := map[string]bool{}
	for _, d := range all {
		switch {
		case d.By == requester:
		case d.Verdict == Reject:
			return Rejected
		case d.Verdict == Approve:
			yes[d.By] = true
		}
	}
	if len(yes) >= max(a.Required, 1) {
		return Approved
	}
	return Pending
}
