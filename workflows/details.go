package workflows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/internal/plan"
)

// Sizes in bytes. Temporal takes 20,000 for the details (limit.userMetadataDetailsSize).
const (
	detailsLimit = 19000
	cellLimit    = 160
)

// State is what the query `state` answers.
type State struct {
	Phase string      `json:"phase"`
	Steps []StepShown `json:"steps"` // in plan order
}

// StepShown is how far a step has come.
type StepShown struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Action  string     `json:"action,omitempty"` // none of a switch
	Branch  string     `json:"branch,omitempty"` // that it belongs to: switch/branch
	State   StepState  `json:"state"`
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Note    string     `json:"note,omitempty"` // why, or for whom it waits
}

func (r *run) state() State {
	state := State{Phase: string(r.phase), Steps: make([]StepShown, len(r.steps))}
	for i, s := range r.steps {
		state.Steps[i] = StepShown{
			ID: s.ID, Name: s.Name, Action: s.Action, Branch: s.path(), State: s.state, Note: s.note,
			Started: shownTime(s.started), Ended: shownTime(s.ended),
		}
	}
	return state
}

func shownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// show puts the live step table where Temporal's UI shows it.
func (r *run) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, table(r.steps))
}

// table is the steps as Markdown, as many as Temporal takes.
func table(steps []*step) string {
	var b strings.Builder
	b.WriteString("| Step | Action | State | Started | Took | Note |\n|---|---|---|---|---|---|\n")
	for i, s := range steps {
		row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n",
			cell(s.titled()), cell(s.does()), s.state, clock(s.started), length(s), cell(s.note))
		if b.Len()+len(row) > detailsLimit {
			b.WriteString("\nand " + strconv.Itoa(len(steps)-i) + " more")
			break
		}
		b.WriteString(row)
	}
	return b.String()
}

// path is the branch that a step is in, "" if it is in none.
func (s *step) path() string {
	if s.Branch == nil {
		return ""
	}
	return s.Branch.Switch + "/" + s.Branch.Name
}

func (s *step) titled() string {
	if path := s.path(); path != "" {
		return path + ": " + s.Name
	}
	return s.Name
}

// does is what stands in the column of actions.
func (s *step) does() string {
	if s.Kind == plan.SwitchStep {
		return string(plan.SwitchStep)
	}
	return s.Action
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func length(s *step) string {
	if s.started.IsZero() || s.ended.IsZero() {
		return ""
	}
	return s.ended.Sub(s.started).Round(time.Millisecond).String()
}

var cellEscapes = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ")

func cell(s string) string { return cellEscapes.Replace(truncated(s, cellLimit)) }

// truncated cuts a text to a number of bytes, between characters.
func truncated(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const dots = "…"
	cut := limit - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + dots
}

// people lists refs for a person to read.
func people(refs []string) string { return strings.Join(refs, ", ") }
