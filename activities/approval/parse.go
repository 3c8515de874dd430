package approval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// parse checks the input of approval:request. An approval that nobody could ever give is refused at
// once, with all that is wrong with it.
func parse(raw json.RawMessage, requester string) (plan.Approval, *activities.Automatic, error) {
	var in activities.ApprovalInput
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return plan.Approval{}, nil, fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s", activities.OpenGateActivity)
	}
	p := &parser{requester: requester}
	a := p.approval(in)
	return a, in.Automatic, p.refusal()
}

// Check refuses what a gate would refuse when it opens. What stands for a value that isn't known yet passes, and so does
// whatever depends on the requester, without one.
func Check(in activities.ApprovalInput, requester string) error {
	p := &parser{ahead: true}
	if ref, err := user(requester); err == nil {
		p.requester = ref
	}
	p.approval(in)
	return p.refusal()
}

type parser struct {
	requester string
	ahead     bool // of the run: values may stand for others
	problems  []fault.Problem
}

func (p *parser) refusal() error {
	if len(p.problems) == 0 {
		return nil
	}
	says := make([]string, len(p.problems))
	for i, problem := range p.problems {
		says[i] = problem.String()
	}
	return fault.WithProblems("Invalid input passed to action "+activities.OpenGateActivity+", "+strings.Join(says, ", "), p.problems)
}

func (p *parser) unknown(text string) bool { return p.ahead && activities.StandsIn(text) }

func (p *parser) wrong(path, says, try string) {
	p.problems = append(p.problems, fault.Problem{Path: path, Rule: "approval", Says: says, Try: try})
}

func (p *parser) approval(in activities.ApprovalInput) plan.Approval {
	a := plan.Approval{Reason: in.Reason, Distinct: in.Distinct}
	if len(in.Stages) == 0 {
		one := p.stage(activities.StageInput{Approvers: in.Approvers, Required: in.Required, Rule: in.Rule, Of: in.Of}, "input")
		a.Approvers, a.Required, a.Rule, a.Of = one.Approvers, one.Required, one.Rule, one.Of
	} else {
		if len(in.Approvers) > 0 || in.Required > 0 || in.Rule != "" || in.Of > 0 {
			p.wrong("input.stages", "stands beside approvers, required, rule or of", "say them in each stage")
		}
		for i, s := range in.Stages {
			a.Stages = append(a.Stages, p.stage(s, fmt.Sprintf("input.stages[%d]", i)))
		}
		if len(p.problems) == 0 {
			a.Required = max(a.Stages[0].Required, 1)
			a.Approvers = a.Everybody()
		}
	}
	a.Timeout = p.duration(in.Timeout, "input.timeout", "nobody can answer in", "leave it out to wait for ever")
	a.RemindEvery = p.duration(in.RemindEvery, "input.remindEvery", "nobody wants to be reminded every", "leave it out to remind nobody")
	switch in.OnTimeout {
	case "approve":
		a.OnTimeout = plan.ApproveLate
	case "escalate":
		a.OnTimeout = plan.EscalateLate
		a.EscalateTo, _ = p.refs(in.EscalateTo, "input.escalateTo")
		if len(in.EscalateTo) == 0 {
			p.wrong("input.escalateTo", "onTimeout is escalate and nobody is named", "at least one user or group ref")
		}
	case "", "reject":
	default:
		if p.unknown(in.OnTimeout) {
			return a
		}
		p.wrong("input.onTimeout", in.OnTimeout+" is no way to go on", "reject, approve or escalate")
	}
	if in.OnTimeout != "" && in.Timeout == "" {
		p.wrong("input.onTimeout", "there is no timeout", "timeout: 3d")
	}
	if len(in.EscalateTo) > 0 && in.OnTimeout != "escalate" {
		p.wrong("input.escalateTo", "is for onTimeout: escalate", "onTimeout: escalate")
	}
	if in.Automatic != nil {
		text, _ := in.Automatic.If.(string)
		if _, is := in.Automatic.If.(bool); !is && !p.unknown(text) {
			p.wrong("input.autoApprove.if", "comes to neither true nor false", "a comparison in one ${{ }}")
		}
	}
	return a
}

// stage checks one stage. What it needs must be possible without the requester.
func (p *parser) stage(in activities.StageInput, path string) plan.Stage {
	s := plan.Stage{Name: in.Name, Required: max(in.Required, 1)}
	before := len(p.problems)
	var groups bool
	s.Approvers, groups = p.refs(in.Approvers, path+".approvers")
	people := len(slices.DeleteFunc(slices.Clone(s.Approvers), func(ref string) bool { return ref == p.requester }))
	if p.unknown(in.Rule) {
		return s
	}
	switch in.Rule {
	case "", "quorum":
	case "majority":
		s.Rule, s.Of = plan.Majority, in.Of
		if in.Of < 1 {
			p.wrong(path+".of", "a majority needs to know of how many people", "of: 3")
		}
	case "all":
		s.Rule = plan.EachOne
	default:
		p.wrong(path+".rule", in.Rule+" is no rule", "quorum, majority or all")
	}
	if in.Of > 0 && in.Rule != "majority" {
		p.wrong(path+".of", "is for the rule majority", "rule: majority")
	}
	if in.Required > 0 && s.Rule != plan.Quorum {
		p.wrong(path+".required", "is for the rule quorum", "leave it out")
	}
	switch {
	case len(in.Approvers) == 0:
		p.wrong(path+".approvers", "nobody is named", "at least one user or group ref")
	case len(p.problems) > before:
	case s.Rule == plan.EachOne && slices.Contains(s.Approvers, p.requester):
		p.wrong(path+".approvers", "each of them must approve, and one of them is the requester, whose own doesn't count", "name somebody else")
	case s.Rule == plan.Quorum && !groups && people < s.Required || s.Rule == plan.Majority && !groups && people < s.Of/2+1:
		p.wrong(path+".approvers", "too few people are named for the approvals that are required; the requester's own doesn't count", "name more approvers or require fewer")
	}
	return s
}

// refs reads user and group refs, each once, and says if there is a group among them.
func (p *parser) refs(list []string, path string) (refs []string, groups bool) {
	for _, s := range list {
		ref, err := plan.ParseEntityRef(s, "group")
		switch {
		case p.unknown(s):
			groups = true // it may be one
		case err != nil:
			p.wrong(path, err.Error(), "")
		case ref.Kind != "user" && ref.Kind != "group":
			p.wrong(path, ref.String()+" can't approve anything", "a user or group ref")
		case !slices.Contains(refs, ref.String()):
			refs = append(refs, ref.String())
			groups = groups || ref.Kind == "group"
		}
	}
	return refs, groups
}

func (p *parser) duration(text, path, tooShort, try string) plan.Duration {
	if text == "" || p.unknown(text) {
		return 0
	}
	d, err := plan.ParseDuration(text)
	if err != nil {
		p.wrong(path, err.Error(), "")
	} else if d < plan.Duration(time.Second) {
		p.wrong(path, tooShort+" "+text, try)
	}
	return d
}
