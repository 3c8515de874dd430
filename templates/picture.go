package templates

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/plan"
)

// Dot draws a plan for Graphviz: steps as boxes, approvals as diamonds, edges with their reasons.
func Dot(p *plan.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n", dotText(p.Template.Name))
	b.WriteString("  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, s := range p.Steps {
		shape := ""
		if s.Kind == plan.GateStep {
			shape = ", shape=diamond, style=solid"
		}
		fmt.Fprintf(&b, "  %s [label=%s%s];\n", dotText(s.ID), dotText(title(s)+"\n"+s.Action), shape)
	}
	for _, a := range arrows(p) {
		fmt.Fprintf(&b, "  %s -> %s [label=%s];\n", dotText(a.from), dotText(a.to), dotText(a.label))
	}
	b.WriteString("}\n")
	return b.String()
}

// title is a step's name, or its id if nobody gave it a name.
func title(s plan.Step) string {
	if s.Name == s.Action {
		return s.ID
	}
	return s.Name
}

var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "")

func dotText(s string) string { return `"` + dotEscapes.Replace(s) + `"` }

// Mermaid draws a plan as a Mermaid flowchart, in the same form.
func Mermaid(p *plan.Plan) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	name := make(map[string]string, len(p.Steps)) // ids such as "end" mean something to Mermaid
	for i, s := range p.Steps {
		name[s.ID] = "s" + strconv.Itoa(i+1)
		left, right := "[", "]"
		if s.Kind == plan.GateStep {
			left, right = "{", "}"
		}
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", name[s.ID], left, mermaidText(title(s))+"<br/>"+mermaidText(s.Action), right)
	}
	for _, a := range arrows(p) {
		fmt.Fprintf(&b, "  %s -->|\"%s\"| %s\n", name[a.from], mermaidText(a.label), name[a.to])
	}
	return b.String()
}

var mermaidEscapes = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;",
	"\n", " ", "\r", "")

func mermaidText(s string) string { return mermaidEscapes.Replace(s) }

type arrow struct{ from, to, label string }

// arrows are the edges with all reasons for one pair of steps on one arrow.
func arrows(p *plan.Plan) []arrow {
	var all []arrow
	for _, e := range p.Edges {
		label := string(e.Reason)
		if e.Detail != "" && e.Reason != plan.Order && e.Reason != plan.Gate {
			label += ": " + e.Detail
		}
		if n := len(all); n > 0 && all[n-1].from == e.From && all[n-1].to == e.To {
			all[n-1].label += "; " + label
			continue
		}
		all = append(all, arrow{e.From, e.To, label})
	}
	return all
}
