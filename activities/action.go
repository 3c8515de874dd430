package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"github.com/gildway/gildway/internal/conform"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Call is what an action is told beside its input, and its way to speak to the run.
type Call struct {
	Run       RunInfo
	Step      string
	StepName  string
	Iteration string
	Key       string          // idempotency key of the effect: the same in every attempt, unlike in any other call
	LeaseEnds *time.Time      // when what is granted ends; nil = never
	Files     Files           // the workspace; nil if the action declared no access
	Root      string          // the absolute path under which people and outputs see the workspace; it is no folder of this machine
	Force     bool            // of an undo: take back even what others have worked on
	Input     json.RawMessage // the input as it was rendered, keys in the template's order; Define sets it

	Holds Holds // on what several calls can need at once
	// Look gives what fn gave the first time it was called under name in this look at several grants. Only Check has it.
	Look func(ctx context.Context, name string, fn func(context.Context) (any, error)) (any, error)

	// Log adds a line to the run's log, which its requester reads. A repeated attempt writes it once.
	Log func(format string, args ...any)
	// LogAt is Log for a line of another level or with details, which are shown as JSON behind the text.
	LogAt func(level LogLevel, text string, details map[string]any)
	// Once returns what fn gave the first time it was called under name in any attempt of this call,
	// as JSON into the value `into` points at. It is how an action remembers what the world looked like before
	// its effect. An error of fn is not remembered.
	Once func(ctx context.Context, name string, into any, fn func(context.Context) (any, error)) error
}

// Holds remember which calls need something that there is only one of, such as a membership: the last of them removes it,
// and only if one of them made it.
type Holds interface {
	// Hold notes that the call with this key needs a resource, and gives whether it is ours to remove in the end. found
	// says that it is there at the moment: with no other call that needs it, somebody else has made it.
	Hold(ctx context.Context, resource, key string, found bool) (ours bool, err error)
	// LetGo gives a hold up, unless it is the last one on what is ours: that one goes with Gone, after the resource.
	LetGo(ctx context.Context, resource, key string) (Holding, error)
	Gone(ctx context.Context, resource, key string) error
	// Held lists the resources that calls need whose names begin like this.
	Held(ctx context.Context, beginning string) ([]string, error)
}

// Holding is what a call has to do with a resource.
type Holding struct {
	Held bool // it has held it until now
	Ours bool // it is ours to remove
	Last bool // no other call needs it
}

// LogLevel is the level of a line in a run's log.
type LogLevel string

const (
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// Preview is what an action would do.
type Preview[Out any] struct {
	Would  []string // what would become of the world, a sentence each: "create the repository acme/shop, private"
	Output Out      // what Do would give, as far as it can be known
}

// Lasting says, before an action is called, for how long what it grants lasts: " for 30d", or nothing. It says the same
// whenever it is asked.
func (c *Call) Lasting() string {
	if c.LeaseEnds == nil {
		return ""
	}
	return " for " + plan.Duration(time.Until(*c.LeaseEnds).Round(time.Minute)).String()
}

// Files is a run's workspace while an action works in it. Names are slash-separated and relative;
// one that would leave the workspace is a Denied fault.
type Files interface {
	fs.FS
	// WriteFile creates or replaces a file, and the folders above it. Only the executable bits of mode count.
	WriteFile(name string, content []byte, mode fs.FileMode) error
	// Symlink creates a link to a target inside the workspace.
	Symlink(target, name string) error
	// Mkdir makes a folder that stays even if it is empty.
	Mkdir(name string) error
	// Remove deletes a file, link or empty folder; the folder it was in stays. One that isn't there is a NotFound fault.
	Remove(name string) error
	// Rename moves a file, a link, or a folder with all that is in it; the folder it was in stays. A name that is
	// taken is a Conflict fault, nothing there to move a NotFound fault.
	Rename(from, to string) error
	// Exists reports whether there is anything of that name.
	Exists(name string) bool
}

// Spec declares an action. In and Out are structs whose fields make its JSON Schemas
// (tags json, jsonschema, jsonschema_description as in invopop/jsonschema; a field without omitempty is required).
type Spec[In, Out any] struct {
	ID          string
	Description string
	Examples    []plan.Example

	Kind       plan.Kind   // default plan.ActionStep
	Workspace  plan.Access // what it does with the workspace
	PathInputs []plan.PathInput
	Local      bool   // no effect outside the run: it runs as a local activity
	Queue      string // default MainQueue

	// Do makes the effect exist, once per Call.Key however often it is called. Its errors are faults.
	Do func(ctx context.Context, call *Call, in In) (Out, error)
	// Undo takes back what Do made and nothing else. What is already gone is no error; what is no
	// longer ours is left alone, with a Conflict fault.
	Undo func(ctx context.Context, call *Call, in In, out Out, why string) error
	// Renew prolongs what Do granted until call.LeaseEnds, and gives the output that holds from then on. Only what ends
	// by itself needs it; a lease on anything else is renewed by ending later.
	Renew func(ctx context.Context, call *Call, in In, out Out) (Out, error)
	// Check says how what Do granted stands. It looks, and changes nothing. Whatever gives people access has it; an error
	// means that it could not be seen.
	Check func(ctx context.Context, call *Call, in In, out Out) (Standing, error)
	// Valid says, without asking anybody, what is wrong with an input that fits the schema, for lint and for dry runs; At
	// tells where. What it has no way to know, because an input StandsIn for a value, it lets pass. Do refuses the same.
	Valid func(in In) error
	// RunsDry is true if Do touches nothing but the workspace and the log: a dry run really runs it.
	RunsDry bool
	// Preview says what Do would do, without doing it and without asking anybody. An action that has neither is skipped in a
	// dry run, and its output made up from its schema.
	Preview func(ctx context.Context, call *Call, in In) (Preview[Out], error)
	// Foresee says what Do would meet, a sentence each as in Preview: "find kim in the group already". It runs where Do does,
	// looks, and neither changes nor logs anything. A final fault is what Do would fail with. What it has no way to know,
	// because an input StandsIn for what an earlier step would give, it leaves out.
	Foresee func(ctx context.Context, call *Call, in In) ([]string, error)
	// WhyNoUndo says why there is no Undo. One of the two is needed unless the action is Local.
	WhyNoUndo string
}

// Action is a declared action.
type Action struct {
	info    plan.Action
	do      func(context.Context, *Call, json.RawMessage) (json.RawMessage, error)
	undo    func(ctx context.Context, call *Call, in, out json.RawMessage, why string) error
	renew   func(ctx context.Context, call *Call, input, output json.RawMessage) (json.RawMessage, error)
	check   func(ctx context.Context, call *Call, input, output json.RawMessage) (Standing, error)
	preview func(context.Context, *Call, json.RawMessage) (Preview[json.RawMessage], error)
	foresee func(context.Context, *Call, json.RawMessage) ([]string, error)
	schema  *conform.Schema // of the input
	errs    []error
}

// Info is what the compiler, the API and lint know of the action.
func (a Action) Info() plan.Action { return a.info }

// Do checks the input against the schema and runs the action. The output is a JSON object.
func (a Action) Do(ctx context.Context, call *Call, input json.RawMessage) (json.RawMessage, error) {
	return a.do(ctx, call, input)
}

// Undo takes back what Do did with this input and output. It must only be called if Info().Undoable.
func (a Action) Undo(ctx context.Context, call *Call, input, output json.RawMessage, why string) error {
	return a.undo(ctx, call, input, output, why)
}

// CheckInput checks a rendered input against the schema, as Do does first.
func (a Action) CheckInput(input json.RawMessage) error {
	value, err := expr.FromJSON(orEmpty(input))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s, it is not JSON", a.info.ID)
	}
	return check(a.schema, a.info.ID, value)
}

// CheckItem is CheckInput for the item of a loop, "" without one. The input is a value of internal/expr, in which
// conform.Unknown stands for what is not known yet.
func (a Action) CheckItem(key string, input any) error {
	call := a.info.ID
	if key != "" {
		call += "[" + key + "]"
	}
	return check(a.schema, call, input)
}

// Renew prolongs what Do granted with this input and output. It must only be called if Info().Renews.
func (a Action) Renew(ctx context.Context, call *Call, input, output json.RawMessage) (json.RawMessage, error) {
	return a.renew(ctx, call, input, output)
}

// Check says how what Do granted with this input and output stands. It must only be called if Info().Checks.
func (a Action) Check(ctx context.Context, call *Call, input, output json.RawMessage) (Standing, error) {
	return a.check(ctx, call, input, output)
}

// Preview checks the input against the schema and says what the action would do. It must only be called if Info().Preview.
func (a Action) Preview(ctx context.Context, call *Call, input json.RawMessage) (Preview[json.RawMessage], error) {
	return a.preview(ctx, call, input)
}

// Foresee checks the input against the schema and says what the action would meet. It must only be called if
// Info().Foresees.
func (a Action) Foresee(ctx context.Context, call *Call, input json.RawMessage) ([]string, error) {
	return a.foresee(ctx, call, input)
}

// Define makes an action from its declaration. What is wrong with it shows in Registry.Check.
func Define[In, Out any](s Spec[In, Out]) Action {
	var a Action
	in, schema, err := schemaOf[In]()
	a.errs = append(a.errs, err)
	out, _, err := schemaOf[Out]()
	a.errs = append(a.errs, err)
	if s.Kind == "" {
		s.Kind = plan.ActionStep
	}
	if s.Queue == "" {
		s.Queue = MainQueue
	}
	a.info = plan.Action{
		ID: s.ID, Description: s.Description, Examples: s.Examples, Input: in, Output: out,
		Kind: s.Kind, Workspace: s.Workspace, PathInputs: s.PathInputs, Local: s.Local, Queue: s.Queue,
		Undoable: s.Undo != nil, Renews: s.Renew != nil, Checks: s.Check != nil, WhyNoUndo: s.WhyNoUndo, DryRun: s.RunsDry, Preview: s.Preview != nil, Foresees: s.Foresee != nil,
	}
	a.errs = append(a.errs, complete(a.info, s.Do != nil)...)
	a.schema = schema
	if s.Valid != nil {
		a.info.Valid = func(raw json.RawMessage) error {
			var input In
			if json.Unmarshal(orEmpty(raw), &input) != nil {
				return nil // the schema tells, or a value is not known
			}
			return s.Valid(input)
		}
	}
	check := a.CheckInput
	read := func(raw json.RawMessage) (input In, err error) {
		raw = orEmpty(raw)
		if err := check(raw); err != nil {
			return input, err
		}
		if err := json.Unmarshal(raw, &input); err != nil {
			return input, fault.Wrap(fault.Invalid, err, "Invalid input passed to action %s", s.ID)
		}
		return input, nil
	}
	a.do = func(ctx context.Context, call *Call, raw json.RawMessage) (json.RawMessage, error) {
		input, err := read(raw)
		if err != nil {
			return nil, err
		}
		seen := *call
		seen.Input = orEmpty(raw)
		output, err := s.Do(ctx, &seen, input)
		if err != nil {
			return nil, err
		}
		return marshal(s.ID, output)
	}
	a.preview = func(ctx context.Context, call *Call, raw json.RawMessage) (p Preview[json.RawMessage], err error) {
		input, err := read(raw)
		if err != nil {
			return p, err
		}
		would, err := s.Preview(ctx, call, input)
		if err != nil {
			return p, err
		}
		p.Would = would.Would
		p.Output, err = marshal(s.ID, would.Output)
		return p, err
	}
	a.foresee = func(ctx context.Context, call *Call, raw json.RawMessage) ([]string, error) {
		input, err := read(raw)
		if err != nil {
			return nil, err
		}
		return s.Foresee(ctx, call, input)
	}
	recorded := func(call *Call, rawIn, rawOut json.RawMessage) (input In, output Out, err error) {
		if err := errors.Join(unmarshal(rawIn, &input), unmarshal(rawOut, &output)); err != nil {
			return input, output, fault.Wrap(fault.Internal, err, "the recorded step %s can't be read back", call.Step)
		}
		return input, output, nil
	}
	a.undo = func(ctx context.Context, call *Call, rawIn, rawOut json.RawMessage, why string) error {
		input, output, err := recorded(call, rawIn, rawOut)
		if err != nil {
			return err
		}
		return s.Undo(ctx, call, input, output, why)
	}
	a.renew = func(ctx context.Context, call *Call, rawIn, rawOut json.RawMessage) (json.RawMessage, error) {
		input, output, err := recorded(call, rawIn, rawOut)
		if err != nil {
			return nil, err
		}
		if output, err = s.Renew(ctx, call, input, output); err != nil {
			return nil, err
		}
		return marshal(s.ID, output)
	}
	a.check = func(ctx context.Context, call *Call, rawIn, rawOut json.RawMessage) (Standing, error) {
		input, output, err := recorded(call, rawIn, rawOut)
		if err != nil {
			return Standing{}, err
		}
		return s.Check(ctx, call, input, output)
	}
	return a
}

var actionID = regexp.MustCompile(`^[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)+$`)

func complete(info plan.Action, hasDo bool) (errs []error) {
	if !actionID.MatchString(info.ID) {
		errs = append(errs, fmt.Errorf("%q: an action id is two or more lower-case words joined by colons", info.ID))
	}
	if info.Description == "" {
		errs = append(errs, fmt.Errorf("%s: has no description", info.ID))
	}
	if len(info.Examples) == 0 {
		errs = append(errs, fmt.Errorf("%s: has no example", info.ID))
	}
	if !hasDo && info.Kind != plan.GateStep {
		errs = append(errs, fmt.Errorf("%s: has no Do", info.ID))
	}
	if !info.Local && !info.Undoable && info.WhyNoUndo == "" {
		errs = append(errs, fmt.Errorf("%s: has an effect, no Undo, and doesn't say why", info.ID))
	}
	return errs
}

func orEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

func marshal(id string, v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the output of %s can't be written as JSON", id)
	}
	return b, nil
}

func unmarshal(raw json.RawMessage, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}
