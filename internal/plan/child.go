package plan

import (
	"encoding/json"
	"slices"
	"strings"
)

// Child is a version of a template that a plan runs, and what it takes to make a plan of it again.
type Child struct {
	Ref      string `json:"ref"` // canonical
	Digest   string `json:"digest"`
	File     string `json:"file,omitempty"`
	ShownURL string `json:"shownUrl,omitempty"`
	BaseURL  string `json:"baseUrl,omitempty"`
}

// Parent is the step that a run is done for.
type Parent struct {
	Task      string   `json:"task"`
	Attempt   int      `json:"attempt,omitempty"`
	Step      string   `json:"step"`
	Iteration string   `json:"iteration,omitempty"`
	Ancestors []string `json:"ancestors,omitempty"` // tasks that Task is done for, the first one first
}

// Lineage are all tasks that a run is done for, the first one first.
func (r Run) Lineage() []string {
	if r.Parent == nil {
		return nil
	}
	return append(slices.Clone(r.Parent.Ancestors), r.Parent.Task)
}

// Pinned finds the version of a template that the plan was submitted with.
func (p Plan) Pinned(ref string) (Child, bool) {
	at, found := slices.BinarySearchFunc(p.Children, ref, func(c Child, ref string) int { return strings.Compare(c.Ref, ref) })
	if !found {
		return Child{}, false
	}
	return p.Children[at], true
}

// ChildRefs are the canonical refs of the templates that the steps run, as far as they are written down.
func (p Plan) ChildRefs() (refs []string) {
	for _, s := range p.Steps {
		var input struct {
			Template string `json:"template"`
		}
		if s.Kind != ChildStep || json.Unmarshal(s.Input, &input) != nil {
			continue
		}
		if ref, err := ParseEntityRef(input.Template, "template"); err == nil && !slices.Contains(refs, ref.String()) {
			refs = append(refs, ref.String())
		}
	}
	return refs
}
