package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

const (
	task      = "6f1e2d3c-0000-4000-8000-000000000001"
	requester = "user:default/guest"
	approver  = "user:default/approver"
)

// world stands in for everything outside the workflow and remembers what was asked of it.
type world struct {
	mu         sync.Mutex
	calls      []string // action ids and undo ids with the step, in order
	invoked    map[string]activities.Invocation
	undone     []activities.UndoInvocation
	records    []activities.Record
	decides    []activities.DecideInput
	closed     []activities.CloseGate
	decideDown bool // decisions can't be verified
	attempt    int  // the newest at the task
	opened     []activities.LeaseRecord
	ended      []activities.LeaseEnded
	reminded   []activities.LeaseReminder
	remindedAt []time.Time
	now        func() time.Time // of the environment
	left       []string         // behind
	renewed    []activities.LeaseRenewed
	nonces     map[string]bool
	opensGate  func()
	approval   func(*plan.Approval)                       // changes what gates are
	automatic  string                                     // why gates are approved by themselves
	foreseen   func(number int) (shown string, err error) // what is shown when a gate is checked; nil = gates foresee nothing
	gateChecks []activities.CheckGate
	gateOpened activities.GateInvocation
	news       []string // of gates
	blobs      map[string]json.RawMessage
	chunk      int // how many items a chunk holds
	gathers    []activities.GatherInput
	scopes     map[string]activities.Scope // by step, as it was evaluated last
	timeline   []string                    // the step of everything that happened
	effects    []activities.Effect         // of the task, in the order to undo them
	saidHolds  bool                        // what approved a gate in an earlier attempt still does
	asked      []activities.AskedRun
	fired      []activities.Firing
	refuses    error // of what is asked for
}

func newWorld() *world {
	return &world{
		invoked: map[string]activities.Invocation{}, nonces: map[string]bool{}, opensGate: func() {},
		blobs: map[string]json.RawMessage{}, chunk: 250, scopes: map[string]activities.Scope{},
	}
}

type activityRegistrar interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

func name(n string) activity.RegisterOptions { return activity.RegisterOptions{Name: n} }

func (w *world) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

// called lists the calls whose name starts with prefix.
func (w *world) called(prefix string) (calls []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if strings.HasPrefix(c, prefix) {
			calls = append(calls, c)
		}
	}
	return calls
}

// told lists the records as "kind step", in order.
func (w *world) told() (told []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.records {
		told = append(told, strings.TrimSpace(string(r.Kind)+" "+r.Step))
	}
	return told
}

func (w *world) recordOf(t *testing.T, kind activities.RecordKind, step string) activities.Record {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.records, func(r activities.Record) bool { return r.Kind == kind && r.Step == step })
	require.GreaterOrEqual(t, i, 0, "no %s of %q in %v", kind, step, w.records)
	return w.records[i]
}

// does makes an action of fn.
func (w *world) does(r activityRegistrar, action string, fn func(context.Context, activities.Invocation) (activities.Outcome, error)) {
	r.RegisterActivityWithOptions(func(ctx context.Context, in activities.Invocation) (activities.Outcome, error) {
		w.mu.Lock()
		w.calls = append(w.calls, strings.TrimSpace(action+" "+in.Step+" "+in.Iteration))
		w.invoked[strings.TrimSpace(in.Step+" "+in.Iteration)] = in
		w.timeline = append(w.timeline, in.Step)
		w.mu.Unlock()
		out, err := fn(ctx, in)
		w.mu.Lock()
		w.timeline = append(w.timeline, in.Step)
		w.mu.Unlock()
		return out, fault.Seal(err)
	}, name(action))
}

func (w *world) undoes(r activityRegistrar, action string, fn func(activities.UndoInvocation) error) {
	r.RegisterActivityWithOptions(func(_ context.Context, in activities.UndoInvocation) error {
		w.mu.Lock()
		w.calls = append(w.calls, strings.TrimSpace("undo "+in.Step+" "+in.Iteration))
		w.undone = append(w.undone, in)
		w.mu.Unlock()
		return fault.Seal(fn(in))
	}, name(activities.UndoActivity(action)))
}

func (w *world) register(r activityRegistrar) {
	r.RegisterActivityWithOptions(w.record, name(activities.RecordActivity))
	r.RegisterActivityWithOptions(w.evaluate, name(activities.EvaluateActivity))
	r.RegisterActivityWithOptions(w.items, name(activities.ItemsActivity))
	r.RegisterActivityWithOptions(w.gather, name(activities.GatherActivity))
	r.RegisterActivityWithOptions(outputs, name(activities.OutputsActivity))
	r.RegisterActivityWithOptions(w.openGate, name(activities.OpenGateActivity))
	r.RegisterActivityWithOptions(w.decide, name(activities.DecideActivity))
	r.RegisterActivityWithOptions(w.checkGate, name(activities.CheckGateActivity))
	r.RegisterActivityWithOptions(w.closeGate, name(activities.CloseGateActivity))
	r.RegisterActivityWithOptions(w.gateNews("remind"), name(activities.RemindGateActivity))
	r.RegisterActivityWithOptions(w.gateNews("escalate"), name(activities.EscalateGateActivity))
	r.RegisterActivityWithOptions(w.openLease, name(activities.OpenLeaseActivity))
	r.RegisterActivityWithOptions(w.closeLease, name(activities.CloseLeaseActivity))
	r.RegisterActivityWithOptions(w.leftover, name(activities.LeftoverActivity))
	r.RegisterActivityWithOptions(w.remindLease, name(activities.RemindLeaseActivity))
	r.RegisterActivityWithOptions(w.verifyRenewal, name(activities.VerifyRenewalActivity))
	r.RegisterActivityWithOptions(w.noteRenewal, name(activities.RenewedActivity))
	r.RegisterActivityWithOptions(func(_ context.Context, a activities.Attempt) (bool, error) { return a.Number < w.attempt, nil }, name(activities.AttemptActivity))
	r.RegisterActivityWithOptions(func(context.Context, string) ([]activities.Effect, error) { return w.effects, nil }, name(activities.EffectsActivity))
	r.RegisterActivityWithOptions(w.effectsPage, name(activities.EffectsPageActivity))
	w.does(r, "test:do", func(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
		out, _ := json.Marshal(map[string]any{"did": in.Step + in.Iteration})
		return activities.Outcome{Output: out, Layer: "layer-" + in.Step + in.Iteration}, nil
	})
	w.does(r, "test:fail", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		return activities.Outcome{}, fault.New(fault.Invalid, "the name is taken")
	})
	w.undoes(r, "test:do", func(activities.UndoInvocation) error { return nil })
	w.undoes(r, "test:fail", func(activities.UndoInvocation) error { return nil })
}

func (w *world) record(_ context.Context, r activities.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
	if r.Kind != activities.StepUndone && r.Kind != activities.UndoFailed {
		w.timeline = append(w.timeline, r.Step)
	}
	return nil
}

func outputs(_ context.Context, in activities.OutputsInput) (activities.Outputs, error) {
	raw, err := json.Marshal(in.Scope.Steps)
	return activities.Outputs{Output: raw}, err
}

func (w *world) openGate(_ context.Context, in activities.GateInvocation) (activities.OpenedGate, error) {
	var asked activities.ApprovalInput
	if err := json.Unmarshal(in.Input, &asked); err != nil {
		return activities.OpenedGate{}, err
	}
	approval := plan.Approval{Approvers: asked.Approvers, Required: asked.Required}
	if asked.Timeout != "" {
		var err error
		if approval.Timeout, err = plan.ParseDuration(asked.Timeout); err != nil {
			return activities.OpenedGate{}, err
		}
	}
	w.note("open-gate " + in.Step)
	w.opensGate()
	if w.approval != nil {
		w.approval(&approval)
	}
	w.mu.Lock()
	w.gateOpened = in
	w.mu.Unlock()
	return activities.OpenedGate{
		ID: activities.GateID(in.Run.Task, in.Run.Attempt, in.Step), Approval: approval, Shown: "sha256:shown", Automatic: w.automatic,
		Again:    w.saidHolds && len(in.Said) > 0,
		Foreseen: w.foreseen != nil,
	}, nil
}

func (w *world) checkGate(_ context.Context, in activities.CheckGate) (activities.CheckedGate, error) {
	w.note("check-gate " + in.Step)
	w.mu.Lock()
	w.gateChecks = append(w.gateChecks, in)
	number := len(w.gateChecks)
	w.mu.Unlock()
	shown, err := w.foreseen(number)
	return activities.CheckedGate{Shown: shown}, err
}

func (w *world) gateNews(what string) func(context.Context, activities.GateNews) error {
	return func(_ context.Context, in activities.GateNews) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if in.Number > 0 {
			what = fmt.Sprint("remind ", in.Number)
		}
		w.news = append(w.news, what)
		return nil
	}
}

// decide takes a plain decision for a statement.
func (w *world) decide(_ context.Context, in activities.DecideInput) (activities.Decided, error) {
	var d plan.Decision
	if err := json.Unmarshal([]byte(in.Statement), &d); err != nil {
		return activities.Decided{}, fault.Seal(fault.New(fault.Denied, "the statement is forged"))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decides = append(w.decides, in)
	if in.Late {
		return activities.Decided{}, fault.Seal(fault.New(fault.Conflict, "this approval is already decided"))
	}
	if w.decideDown {
		return activities.Decided{}, fault.Seal(fault.New(fault.Unavailable, "the catalog does not answer"))
	}
	if d.By == in.Requester {
		return activities.Decided{}, fault.Seal(fault.New(fault.Denied, "nobody approves their own request"))
	}
	if w.nonces[d.Nonce] {
		return activities.Decided{}, fault.Seal(fault.New(fault.Conflict, "this decision was counted before"))
	}
	w.nonces[d.Nonce] = true
	return activities.Decided{Decision: d, Outcome: in.Approval.Decide(in.Requester, append(in.Before, d))}, nil
}

func (w *world) closeGate(_ context.Context, in activities.CloseGate) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = append(w.closed, in)
	return nil
}

func (w *world) openLease(_ context.Context, in activities.LeaseRecord) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened = append(w.opened, in)
	return nil
}

func (w *world) closeLease(_ context.Context, in activities.LeaseEnded) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, in)
	return nil
}

func (w *world) leftover(_ context.Context, in activities.Leftover) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = append(w.left, in.Call.Step+": "+in.Problem)
	return nil
}

func (w *world) remindLease(_ context.Context, in activities.LeaseReminder) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reminded = append(w.reminded, in)
	w.remindedAt = append(w.remindedAt, w.now())
	return nil
}

// verifyRenewal takes the name of whoever renews for a statement.
func (w *world) verifyRenewal(_ context.Context, in activities.RenewalClaim) (string, error) {
	if in.Statement != in.Requester {
		return "", fault.Seal(fault.New(fault.Denied, "%s may not renew this access", in.Statement))
	}
	return in.Statement, nil
}

func (w *world) noteRenewal(_ context.Context, in activities.LeaseRenewed) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.renewed = append(w.renewed, in)
	return nil
}

// environment is a Temporal that skips time, with the workflows and the world in it.
func environment(t interface{ Helper() }) (*testsuite.TestWorkflowEnvironment, *world) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute) // of real time; the machine may be busy
	workflows.Register(env)
	w := newWorld()
	w.now = env.Now
	w.register(env)
	return env, w
}

func runOf(execution plan.Execution, steps ...plan.Step) plan.Run {
	for i := range steps {
		s := &steps[i]
		if s.Action == "" && s.Kind != plan.SwitchStep {
			s.Action = "test:do"
		}
		if s.Kind == "" {
			s.Kind = plan.ActionStep
		}
		if s.Name == "" {
			s.Name = "Step " + s.ID
		}
		if execution == plan.Sequential && i > 0 {
			s.Needs = append(s.Needs, steps[i-1].ID)
		}
	}
	return plan.Run{
		Task: task,
		Plan: plan.Plan{
			Version: plan.Version, Execution: execution, OnFailure: plan.Keep, Parallel: 4, Steps: steps,
			Template: plan.Template{Ref: "template:default/sample", Name: "sample", Digest: "sha256:0"},
		},
		Values:    json.RawMessage(`{"name":"a"}`),
		Requester: plan.Person{Ref: requester},
	}
}

func gateStep(id, input string, needs ...string) plan.Step {
	return plan.Step{
		ID: id, Name: "Approve " + id, Kind: plan.GateStep, Action: activities.OpenGateActivity,
		Input: json.RawMessage(input), Needs: needs,
	}
}

func statement(by string, verdict plan.Verdict, comment, nonce string) string {
	raw, _ := json.Marshal(plan.Decision{By: by, As: by, Verdict: verdict, Comment: comment, Nonce: nonce, At: time.Unix(0, 0).UTC()})
	return string(raw)
}

func message(gate, statement string) activities.DecideMessageInput {
	return activities.DecideMessageInput{Gate: activities.GateID(task, 0, gate), Statement: statement}
}

func failure(t *testing.T, env *testsuite.TestWorkflowEnvironment) *fault.Error {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	err := env.GetWorkflowError()
	require.Error(t, err)
	return fault.Unseal(err)
}

func state(t require.TestingT, env *testsuite.TestWorkflowEnvironment) map[string]workflows.StepShown {
	answer, err := env.QueryWorkflow(activities.StateQuery)
	require.NoError(t, err)
	var s workflows.State
	require.NoError(t, answer.Get(&s))
	steps := map[string]workflows.StepShown{}
	for _, shown := range s.Steps {
		steps[shown.ID] = shown
	}
	return steps
}

func nothing(context.Context, activities.Invocation) (activities.Outcome, error) {
	return activities.Outcome{}, nil
}

func thirdFails(_ context.Context, in activities.Invocation) (activities.Outcome, error) {
	if in.Iteration == "3" {
		return activities.Outcome{}, fault.New(fault.Denied, "the third may not")
	}
	return activities.Outcome{}, nil
}

// effectsPage gives a hundred of the effects at a time.
func (w *world) effectsPage(_ context.Context, q activities.EffectsQuery) (page activities.EffectsPage, err error) {
	from := 0
	if q.After != nil {
		from = int(q.After.Seq)
	}
	to := min(from+100, len(w.effects))
	page.Effects = w.effects[from:to]
	if to < len(w.effects) {
		page.Next = &activities.EffectCursor{Seq: int64(to), Until: int64(len(w.effects))}
	}
	return page, nil
}
