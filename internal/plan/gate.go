package plan

import (
	"slices"
	"time"
)

// Approval is an approval gate as it came out of the template: who may decide, and what their decisions come to.
type Approval struct {
	Approvers []string `json:"approvers"` // canonical user and group refs; anyone who is one, or in one, may decide
	Required  int      `json:"required"`  // of Quorum: approvals by different people; at least 1
	Rule      Rule     `json:"rule,omitempty"`
	Of        int      `json:"of,omitempty"` // of Majority: how many people vote

	// Stages stand instead of the four above: each opens when the one before has approved.
	Stages   []Stage `json:"stages,omitempty"`
	Distinct bool    `json:"distinct,omitempty"` // whoever approved in a stage doesn't count in a later one

	Reason      string    `json:"reason,omitempty"`
	Timeout     Duration  `json:"timeout,omitempty"` // 0 = waits for ever
	OnTimeout   OnTimeout `json:"onTimeout,omitempty"`
	EscalateTo  []string  `json:"escalateTo,omitempty"`  // who may decide, too, after the first timeout; refs
	StandIns    []string  `json:"standIns,omitempty"`    // those of the Approvers who are there by escalation: see Stage
	RemindEvery Duration  `json:"remindEvery,omitempty"` // 0 = nobody is reminded
}

// Stage is one of several approvals in a row.
type Stage struct {
	Name      string   `json:"name,omitempty"`
	Approvers []string `json:"approvers"`
	Required  int      `json:"required,omitempty"`
	Rule      Rule     `json:"rule,omitempty"`
	Of        int      `json:"of,omitempty"`
	// StandIns are those of the Approvers who are there by escalation. With EachOne none of them is needed, and one stands for
	// all who have not decided.
	StandIns []string `json:"standIns,omitempty"`
}

// Rule says what the decisions of a stage come to.
type Rule string

const (
	Quorum   Rule = ""         // so many approve; one rejection rejects
	Majority Rule = "majority" // more than half of those who vote approve; it rejects as soon as they no longer can
	EachOne  Rule = "all"      // each approver ref approves, through somebody; one rejection rejects
)

// OnTimeout says what becomes of a gate that nobody decides in time.
type OnTimeout string

const (
	RejectLate   OnTimeout = ""
	ApproveLate  OnTimeout = "approve"
	EscalateLate OnTimeout = "escalate" // EscalateTo may decide, too, for as long again; then it is rejected
)

// Verdict is what one approver said.
type Verdict string

const (
	Approve  Verdict = "approve"
	Reject   Verdict = "reject"
	Delegate Verdict = "delegate" // somebody else decides in their place
)

// Decision is one verified statement of one approver.
type Decision struct {
	By      string    `json:"by"` // user ref
	As      string    `json:"as"` // the approver ref that admitted them: themselves or a group
	Verdict Verdict   `json:"verdict"`
	Comment string    `json:"comment,omitempty"`
	Nonce   string    `json:"nonce"`
	At      time.Time `json:"at"`

	Stage int    `json:"stage,omitempty"` // that was open when it was counted
	To    string `json:"to,omitempty"`    // of Delegate: user ref
	For   string `json:"for,omitempty"`   // user ref of whoever has delegated to By
	Via   string `json:"via,omitempty"`   // how By proved who they are, if not by signing in: "link"
}

// Outcome is what the decisions so far add up to.
type Outcome string

const (
	Pending  Outcome = "pending"
	Approved Outcome = "approved"
	Rejected Outcome = "rejected"
)

// InStages are the approval's stages; one that has none is one.
func (a Approval) InStages() []Stage {
	if len(a.Stages) > 0 {
		return a.Stages
	}
	return []Stage{{Approvers: a.Approvers, StandIns: a.StandIns, Required: a.Required, Rule: a.Rule, Of: a.Of}}
}

// Everybody are all refs that may decide at some stage.
func (a Approval) Everybody() (refs []string) {
	for _, s := range a.InStages() {
		for _, ref := range s.Approvers {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// Escalated is the approval after its first timeout.
func (a Approval) Escalated() Approval {
	a.OnTimeout = RejectLate
	missing := func(ref string) bool { return !slices.Contains(a.Approvers, ref) }
	a.StandIns = kept(a.EscalateTo, missing)
	a.Approvers = joinedRefs(a.Approvers, a.EscalateTo)
	a.Stages = slices.Clone(a.Stages)
	for i := range a.Stages {
		s := &a.Stages[i]
		s.StandIns = kept(a.EscalateTo, func(ref string) bool { return !slices.Contains(s.Approvers, ref) })
		s.Approvers = joinedRefs(s.Approvers, a.EscalateTo)
	}
	return a
}

func kept(refs []string, wanted func(string) bool) (out []string) {
	for _, ref := range refs {
		if wanted(ref) {
			out = append(out, ref)
		}
	}
	return out
}

func joinedRefs(a, b []string) []string {
	out := slices.Clone(a)
	for _, ref := range b {
		if !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}

// Decide says what the decisions add up to. It is a fold without clock or look-up: the same
// decisions in any order give the same outcome. The requester's own decision counts for nothing,
// and two approvals by one person, or by one and somebody in their place, are one.
func (a Approval) Decide(requester string, all []Decision) Outcome {
	outcomes := a.outcomes(requester, all)
	switch {
	case slices.Contains(outcomes, Rejected):
		return Rejected
	case slices.Contains(outcomes, Pending):
		return Pending
	default:
		return Approved
	}
}

// Stage is the number of the stage that waits for decisions, from 0; the last one if none does.
func (a Approval) Stage(requester string, all []Decision) int {
	outcomes := a.outcomes(requester, all)
	if i := slices.IndexFunc(outcomes, func(o Outcome) bool { return o != Approved }); i >= 0 {
		return i
	}
	return len(outcomes) - 1
}

// Approvals tells how far a stage has come: how many people have approved, of how many who must.
func (a Approval) Approvals(stage int, requester string, all []Decision) (yes, needed int) {
	s := a.InStages()[stage]
	yes, _, _ = a.count(stage, requester, all)
	switch s.Rule {
	case Majority:
		return yes, s.Of/2 + 1
	case EachOne:
		return yes, len(s.Approvers) - len(s.StandIns)
	default:
		return yes, max(s.Required, 1)
	}
}

func (a Approval) outcomes(requester string, all []Decision) []Outcome {
	stages := a.InStages()
	outcomes := make([]Outcome, len(stages))
	for i, s := range stages {
		yes, no, as := a.count(i, requester, all)
		outcomes[i] = s.outcome(yes, no, as)
	}
	return outcomes
}

// count gives how many people have approved and rejected in a stage, and through which refs those approved. Whoever decides
// and whoever they decide for are one.
func (a Approval) count(stage int, requester string, all []Decision) (yes, no int, as map[string]bool) {
	var voices []voice
	as = map[string]bool{}
	all = slices.DeleteFunc(slices.Clone(all), func(d Decision) bool { return d.speaksFor(requester) })
	for _, d := range all {
		if d.Stage != stage || d.Verdict != Approve && d.Verdict != Reject || a.Distinct && ApprovedBefore(d, all) {
			continue
		}
		if d.Verdict == Approve {
			as[d.As] = true
		}
		voices = heard(voices, d)
	}
	for _, v := range voices {
		if v.rejects { // also who said both
			no++
		} else {
			yes++
		}
	}
	return yes, no, as
}

// voice is one person, or several of whom some decide in the place of others.
type voice struct {
	people  []string
	rejects bool
}

// heard adds a decision to the voices. Those that it connects become one, so that the order of decisions doesn't matter.
func heard(voices []voice, d Decision) []voice {
	one := voice{[]string{d.By}, d.Verdict == Reject}
	if d.For != "" {
		one.people = append(one.people, d.For)
	}
	var others []voice
	for _, v := range voices {
		if slices.ContainsFunc(v.people, d.speaksFor) {
			one = voice{joinedRefs(one.people, v.people), one.rejects || v.rejects}
		} else {
			others = append(others, v)
		}
	}
	return append(others, one)
}

// speaksFor tells whether a decision is somebody's, made by them or in their place.
func (d Decision) speaksFor(who string) bool { return who != "" && (d.By == who || d.For == who) }

// Decided tells whether somebody has approved or rejected in a stage, themselves or through whoever decided in their place.
func Decided(who string, stage int, all []Decision) bool {
	return slices.ContainsFunc(all, func(d Decision) bool { return d.Stage == stage && d.Verdict != Delegate && d.speaksFor(who) })
}

// ApprovedBefore tells whether one of those whom a decision concerns has approved an earlier stage, themselves or through
// whoever decided in their place.
func ApprovedBefore(next Decision, all []Decision) bool {
	return slices.ContainsFunc(all, func(d Decision) bool {
		return d.Stage < next.Stage && d.Verdict == Approve && (d.speaksFor(next.By) || d.speaksFor(next.For) || d.speaksFor(next.To))
	})
}

func (s Stage) outcome(yes, no int, as map[string]bool) Outcome {
	switch s.Rule {
	case Majority:
		switch {
		case 2*yes > s.Of:
			return Approved
		case 2*(s.Of-no) <= s.Of:
			return Rejected
		}
	case EachOne:
		switch {
		case no > 0:
			return Rejected
		case slices.ContainsFunc(s.StandIns, func(ref string) bool { return as[ref] }):
			return Approved
		case !slices.ContainsFunc(s.Approvers, func(ref string) bool { return !as[ref] && !slices.Contains(s.StandIns, ref) }):
			return Approved
		}
	default:
		switch {
		case no > 0:
			return Rejected
		case yes >= max(s.Required, 1):
			return Approved
		}
	}
	return Pending
}
