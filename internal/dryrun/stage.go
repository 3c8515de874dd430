package dryrun

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Call is a call that would have left the run, of an offline dry run.
type Call struct {
	Step, Iteration, Action string
	Input                   json.RawMessage
}

// Answer is what a call gives in an offline dry run.
type Answer struct {
	Output map[string]any // put over an output that is made up from the action's schema
	Err    *fault.Error   // or nil
}

// stage stands where the world would be: it notes what is asked of it.
type stage struct {
	actions *activities.Registry
	answers func(step, action string) (Answer, bool)
	hide    hide
	calls   []Call // a dry run makes one after the other
}

// registry holds the stand-ins of all actions.
func (s *stage) registry() *activities.Registry {
	var all []activities.Action
	for _, info := range s.actions.Infos() {
		action, _ := s.actions.Get(info.ID)
		all = append(all, action.Standin(func(ctx context.Context, c *activities.Call, input json.RawMessage) (json.RawMessage, error) {
			if _, answered := s.answer(c.Step, info.ID); !answered && stays(info, input) {
				return action.Do(ctx, c, input)
			}
			return s.call(Call{c.Step, c.Iteration, info.ID, input}, run.MadeUp(info.Output))
		}))
	}
	return activities.NewRegistry(all...)
}

// stays reports whether an action touches nothing but the run's own files and log.
func stays(info plan.Action, input json.RawMessage) bool {
	if !info.DryRun || !info.Local && info.Workspace == plan.NoAccess {
		return false
	}
	var from struct{ URL any }
	if json.Unmarshal(input, &from) != nil {
		return true
	}
	text, _ := from.URL.(string)
	at, err := url.Parse(text)
	return err != nil || !at.IsAbs()
}

func (s *stage) answer(step, action string) (Answer, bool) {
	if s.answers == nil {
		return Answer{}, false
	}
	return s.answers(step, action)
}

// call notes a call and answers it.
func (s *stage) call(c Call, made json.RawMessage) (json.RawMessage, error) {
	c.Input = s.hide.json(c.Input)
	s.calls = append(s.calls, c)
	a, answered := s.answer(c.Step, c.Action)
	switch {
	case !answered:
		return made, nil
	case a.Err != nil:
		return nil, a.Err
	}
	output := map[string]any{}
	if err := json.Unmarshal(made, &output); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no output of %s can be made up", c.Action)
	}
	for name, value := range a.Output {
		output[name] = value
	}
	raw, err := json.Marshal(output)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the answer to %s can't be written as JSON", c.Step)
	}
	return raw, nil
}

// hide are the values of secrets, the longest first, by the rule of runs for what is worth hiding.
type hide []string

func hides(secrets map[string]string) (h hide) {
	for _, value := range secrets {
		if value = strings.TrimSpace(value); len(value) > 1 {
			h = append(h, value)
		}
	}
	slices.SortFunc(h, func(a, b string) int { return len(b) - len(a) })
	return h
}

func (h hide) text(s string) string {
	for _, value := range h {
		s = strings.ReplaceAll(s, value, "***")
	}
	return s
}

func (h hide) json(raw json.RawMessage) json.RawMessage {
	tree, err := expr.FromJSON(raw)
	if err == nil {
		raw, err = expr.ToJSON(h.tree(tree))
	}
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}

func (h hide) tree(v any) any {
	switch v := v.(type) {
	case string:
		return h.text(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = h.tree(item)
		}
		return out
	case *expr.Object:
		out := &expr.Object{}
		for key, item := range v.All() {
			out.Set(h.text(key), h.tree(item))
		}
		return out
	}
	return v
}
