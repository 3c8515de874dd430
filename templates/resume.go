package templates

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/plan"
)

// Resumed is what an attempt at a task takes over from an earlier one, and what that has used.
type Resumed struct {
	Kept []plan.Kept
	uses map[string]uses // by step
}

// uses are the parameters that went into what a step gave, directly or through other steps.
type uses struct {
	all   bool // which they are can't be decided
	named map[string]bool
}

// Resume decides what of the results of an earlier attempt holds in another one. A step is run again if it didn't
// complete, if what it did was undone, if its condition asks how the run fares, or if it has read the output or the files of
// a step that is run again.
func Resume(p plan.Plan, results []plan.Kept, undone []string) Resumed {
	r := &resuming{
		Resumed: Resumed{Kept: []plan.Kept{}, uses: map[string]uses{}}, results: map[string]plan.Kept{},
		holds: map[string]bool{}, after: map[string]map[string]bool{}, steps: map[string]plan.Step{},
	}
	for _, k := range results {
		r.results[k.Step] = k
	}
	for _, s := range p.Steps { // each after all that it needs
		r.steps[s.ID] = s
		r.after[s.ID] = map[string]bool{}
		for _, need := range s.Needs {
			r.after[s.ID][need] = true
			maps.Copy(r.after[s.ID], r.after[need])
		}
		reads := readsOf(s, r.after[s.ID])
		result, there := r.results[s.ID]
		if !there || slices.Contains(undone, s.ID) || s.RunsAfterFailure || !r.stands(s, reads) {
			continue
		}
		r.holds[s.ID] = true
		r.uses[s.ID] = r.usesOf(s, reads)
		if !result.Skipped {
			r.Kept = append(r.Kept, result)
		}
	}
	return r.Resumed
}

// Using gives a step that is kept and has used a parameter, "" if there is none. A step whose `each`, `if` or `input` reads
// parameters that can't be known before the run counts as one that has used them all, and so does what has read the outcome
// of an approval, which was given for all values.
func (r Resumed) Using(p plan.Plan, parameter string) string {
	for _, k := range r.Kept {
		if s, _ := p.Step(k.Step); s.Kind == plan.GateStep {
			continue // it asks again
		}
		if u := r.uses[k.Step]; u.all || u.named[parameter] {
			return k.Step
		}
	}
	return ""
}

type resuming struct {
	Resumed
	results map[string]plan.Kept
	steps   map[string]plan.Step
	holds   map[string]bool            // by step: it is kept, or would be skipped again
	after   map[string]map[string]bool // by step: those that it comes after
}

// reads are what the expressions of a step read.
type reads struct {
	parameters uses
	steps      map[string]bool
}

// stands tells whether everything that a step has read holds.
func (r *resuming) stands(s plan.Step, read reads) bool {
	for id := range read.steps {
		if !r.holds[id] {
			return false
		}
	}
	for id := range r.after[s.ID] {
		if s.Workspace != plan.NoAccess && r.steps[id].Workspace == plan.Writes && !r.holds[id] {
			return false
		}
	}
	return s.Branch == nil || r.holds[s.Branch.Switch]
}

func (r *resuming) usesOf(s plan.Step, read reads) uses {
	u := uses{all: read.parameters.all || s.Kind == plan.GateStep, named: read.parameters.named}
	from := maps.Clone(read.steps)
	for id := range r.after[s.ID] {
		if s.Workspace != plan.NoAccess && r.steps[id].Workspace == plan.Writes {
			from[id] = true
		}
	}
	if s.Branch != nil {
		from[s.Branch.Switch] = true
	}
	for id := range from {
		u.all = u.all || r.uses[id].all
		maps.Copy(u.named, r.uses[id].named)
	}
	return u
}

// readsOf finds what a step reads in its parsed expressions. after are the steps that it comes after.
func readsOf(s plan.Step, after map[string]bool) reads {
	read := reads{parameters: uses{named: map[string]bool{}}, steps: map[string]bool{}}
	parts := []json.RawMessage{s.If, s.Each, s.Input}
	for _, b := range s.Branches {
		parts = append(parts, b.If)
	}
	for _, raw := range parts {
		if len(raw) == 0 {
			continue
		}
		tree, err := expr.FromJSON(raw)
		if err != nil {
			read.parameters.all = true
			continue
		}
		expr.WalkTree(tree, func(_ []string, src string) { read.from(src, after) })
	}
	return read
}

func (r *reads) from(src string, after map[string]bool) {
	parsed, err := expr.Parse(src, expr.Options{})
	if err != nil {
		return // the text itself is the value
	}
	for _, ref := range parsed.References() {
		switch ref.Path[0] {
		case "parameters":
			if len(ref.Path) == 1 {
				r.parameters.all = true
			} else {
				r.parameters.named[ref.Path[1]] = true
			}
		case "steps":
			switch {
			case len(ref.Path) == 1:
				maps.Copy(r.steps, after)
			case after[ref.Path[1]]: // any other is undefined in every attempt
				r.steps[ref.Path[1]] = true
			}
		}
	}
}
