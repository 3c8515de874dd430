package templates

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/plan"
)

// Dot draws a plan for Graphviz: steps as boxes, approvals as diamonds, switches as hexagons in a frame
// with their branches, edges with their reasons. What waits for a whole switch has its arrow from the frame.
func Dot(p *plan.Plan) string { return DotRun(p, nil) }

// Note is what a drawing of a run says of a step.
type Note struct {
	Text     string // a line below the action; may be empty
	State    string // open, processing, completed, failed, skipped or cancelled
	Critical bool   // drawn with a thick border
}

// stateFills are the colours of the states of steps; what is open has none.
var stateFills = map[string]string{
	"processing": "#cfe3fa", "completed": "#d5f0d5", "failed": "#f7caca", "skipped": "#eeeeee", "cancelled": "#f5e6c8",
}

// DotRun draws a run of a plan, with a note for some of its steps by their ids.
func DotRun(p *plan.Plan, notes map[string]Note) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n", dotText(p.Template.Name))
	b.WriteString("  rankdir=LR;\n")
	if hasSwitch(p) {
		b.WriteString("  compound=true;\n")
	}
	b.WriteString("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	frames(p, canvas{
		step: func(indent string, s plan.Step) {
			shape := map[plan.Kind]string{plan.GateStep: ", shape=diamond, style=solid", plan.SwitchStep: ", shape=hexagon, style=solid"}[s.Kind]
			label, note := title(s)+"\n"+does(s), notes[s.ID]
			if note.Text != "" {
				label += "\n" + note.Text
			}
			if fill := stateFills[note.State]; fill != "" {
				shape = strings.ReplaceAll(shape, ", style=solid", "") + fmt.Sprintf(`, style="filled,%s", fillcolor=%s`, outline(s), dotText(fill))
			}
			if note.Critical {
				shape += ", penwidth=3"
			}
			fmt.Fprintf(&b, "%s%s [label=%s%s];\n", indent, dotText(s.ID), dotText(label), shape)
		},
		open: func(indent, frame, label string) {
			fmt.Fprintf(&b, "%ssubgraph %s {\n%s  label=%s; style=\"rounded,dashed\"; fontname=\"sans-serif\"; fontsize=10;\n",
				indent, dotText("cluster_"+frame), indent, dotText(label))
		},
		end: func(indent string) { b.WriteString(indent + "}\n") },
	})
	for _, a := range arrows(p) {
		from := ""
		if a.join {
			from = ", ltail=" + dotText("cluster_"+a.from)
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", dotText(a.from), dotText(a.to), dotText(a.label), from)
	}
	b.WriteString("}\n")
	return b.String()
}

func outline(s plan.Step) string {
	if s.Kind == plan.GateStep || s.Kind == plan.SwitchStep {
		return "solid"
	}
	return "rounded"
}

func hasSwitch(p *plan.Plan) bool {
	for _, s := range p.Steps {
		if s.Kind == plan.SwitchStep {
			return true
		}
	}
	return false
}

// title is a step's name, or its id if nobody gave it a name.
func title(s plan.Step) string {
	if s.Name == s.Action || s.Name == "" {
		return s.ID
	}
	return s.Name
}

func does(s plan.Step) string {
	if s.Kind == plan.SwitchStep {
		return string(plan.SwitchStep)
	}
	return s.Action
}

var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "")

func dotText(s string) string { return `"` + dotEscapes.Replace(s) + `"` }

// Mermaid draws a plan as a Mermaid flowchart, in the same form.
func Mermaid(p *plan.Plan) string { return MermaidRun(p, nil) }

// MermaidRun draws a run of a plan, as DotRun does.
func MermaidRun(p *plan.Plan, notes map[string]Note) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	name := make(map[string]string, len(p.Steps)) // ids such as "end" mean something to Mermaid
	for i, s := range p.Steps {
		name[s.ID] = "s" + strconv.Itoa(i+1)
	}
	count := 0
	frame := map[string]string{}
	frames(p, canvas{
		step: func(indent string, s plan.Step) {
			left, right := "[", "]"
			switch s.Kind {
			case plan.GateStep:
				left, right = "{", "}"
			case plan.SwitchStep:
				left, right = "{{", "}}"
			}
			label := mermaidText(title(s)) + "<br/>" + mermaidText(does(s))
			if text := notes[s.ID].Text; text != "" {
				label += "<br/>" + mermaidText(text)
			}
			fmt.Fprintf(&b, "%s%s%s\"%s\"%s\n", indent, name[s.ID], left, label, right)
		},
		open: func(indent, of, label string) {
			count++
			frame[of] = "g" + strconv.Itoa(count)
			fmt.Fprintf(&b, "%ssubgraph %s[\"%s\"]\n", indent, frame[of], mermaidText(label))
		},
		end: func(indent string) { b.WriteString(indent + "end\n") },
	})
	for _, a := range arrows(p) {
		from := name[a.from]
		if a.join {
			from = frame[a.from]
		}
		fmt.Fprintf(&b, "  %s -->|\"%s\"| %s\n", from, mermaidText(a.label), name[a.to])
	}
	for _, s := range p.Steps {
		var style []string
		if fill := stateFills[notes[s.ID].State]; fill != "" {
			style = append(style, "fill:"+fill)
		}
		if notes[s.ID].Critical {
			style = append(style, "stroke-width:4px")
		}
		if style != nil {
			fmt.Fprintf(&b, "  style %s %s\n", name[s.ID], strings.Join(style, ","))
		}
	}
	return b.String()
}

var mermaidEscapes = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;",
	"\n", " ", "\r", "")

func mermaidText(s string) string { return mermaidEscapes.Replace(s) }

// canvas is what steps and frames are drawn on.
type canvas struct {
	step func(indent string, s plan.Step)
	open func(indent, frame, label string)
	end  func(indent string)
}

// frames draws the steps of a plan, each switch in a frame named by its id, with a frame for each
// branch that has steps.
func frames(p *plan.Plan, on canvas) {
	inside := map[plan.InBranch][]plan.Step{}
	for _, s := range p.Steps {
		in := plan.InBranch{}
		if s.Branch != nil {
			in = *s.Branch
		}
		inside[in] = append(inside[in], s)
	}
	var draw func(steps []plan.Step, indent string)
	draw = func(steps []plan.Step, indent string) {
		for _, s := range steps {
			if s.Kind != plan.SwitchStep {
				on.step(indent, s)
				continue
			}
			on.open(indent, s.ID, title(s))
			on.step(indent+"  ", s)
			for _, b := range s.Branches {
				in := plan.InBranch{Switch: s.ID, Name: b.Name}
				if len(inside[in]) == 0 {
					continue
				}
				on.open(indent+"  ", s.ID+"/"+b.Name, b.Name)
				draw(inside[in], indent+"    ")
				on.end(indent + "  ")
			}
			on.end(indent)
		}
	}
	draw(inside[plan.InBranch{}], "  ")
}

type arrow struct {
	from, to, label string
	join            bool // from the whole of a switch
}

// arrows are the edges with all reasons for one pair of steps on one arrow, and with one arrow for all
// that wait for the same switch to be over.
func arrows(p *plan.Plan) []arrow {
	within := make(map[string]*plan.InBranch, len(p.Steps))
	for _, s := range p.Steps {
		within[s.ID] = s.Branch
	}
	var all []arrow
	var last plan.Edge
	for _, e := range p.Edges {
		label := string(e.Reason)
		switch joined := joins(within, e); {
		case joined[e.From]:
			all = append(all, arrow{e.From, e.To, "when it is over", true})
			last = plan.Edge{}
			continue
		case len(joined) > 0:
			continue
		case within[e.To] != nil && e.Detail == "branch "+within[e.To].Name:
			label = e.Detail
		case e.Detail != "" && e.Reason != plan.Order && e.Reason != plan.Gate:
			label += ": " + e.Detail
		}
		if last.From == e.From && last.To == e.To {
			all[len(all)-1].label += "; " + label
			continue
		}
		all = append(all, arrow{from: e.From, to: e.To, label: label})
		last = e
	}
	return all
}

// joins gives the switches, of those that the source of an edge is or stands in, that the target waits for
// as a whole.
func joins(within map[string]*plan.InBranch, e plan.Edge) map[string]bool {
	found := map[string]bool{}
	if e.Reason != plan.Order {
		return found
	}
	details := strings.Split(e.Detail, ", ")
	for of := e.From; ; of = within[of].Switch {
		if slices.Contains(details, joinDetail(of)) {
			found[of] = true
		}
		if within[of] == nil {
			return found
		}
	}
}
