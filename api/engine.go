package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
)

// Engine executes runs.
type Engine interface {
	// Start starts an attempt at a task. One that was started before, ended or not, is left alone, without an error.
	// An Invalid fault means that it can never start; an Unavailable one that it can't yet, for example because the
	// attempt before is still ending.
	Start(ctx context.Context, run plan.Run) error
	// Decide hands an approver's signed decision to a run and gives what it has come to. Nil without an
	// error means that it was handed over for good and nobody was there to answer.
	Decide(ctx context.Context, task string, in activities.DecideMessageInput) (*activities.Decided, error)
	// Cancel asks a run to stop. One that has ended stays as it is, without an error.
	Cancel(ctx context.Context, task, reason string) error
	// Tell sends a run a message with a text. One that has ended is a Conflict fault.
	Tell(ctx context.Context, task, message, text string) error
	// Results gives what the last run of a task came to, for another attempt to take over. A Conflict fault means that
	// nobody knows any more.
	Results(ctx context.Context, task string) ([]plan.Kept, error)
	// Lost says how the run of an attempt has ended of which its task was never told; "" if it goes on, or another attempt has
	// begun.
	Lost(ctx context.Context, task string, attempt int) (how string, err error)
	// CancelStep hands over what people want of a step instead of what it is at. A step that is at nothing is a Conflict fault.
	CancelStep(ctx context.Context, task string, in activities.CancelStep) error
	// Renew hands a signed wish to keep a grant for longer to its lease and gives the new end. The same id, if there is one,
	// renews once and gives the same end.
	Renew(ctx context.Context, lease, id string, in activities.RenewLease) (activities.RenewedLease, error)
	// Rollback begins to undo what a task has done, unless that is going on.
	Rollback(ctx context.Context, in activities.RollbackInput) error
	// Revoke asks a lease to end. One that isn't there, or has ended, is a NotFound fault.
	Revoke(ctx context.Context, lease, reason string) error
	// Check begins to look at what was granted, unless that is going on, and Checking tells how far it has come.
	Check(ctx context.Context, by string, in activities.CheckInput) error
	Checking(ctx context.Context, user string) (Checking, error)
	// Review hands an owner's signed decisions to an access review. One that has ended is a Conflict fault.
	Review(ctx context.Context, review string, in activities.DecideReview) error
	// Keep sees to it that rounds go on, and with change, that they are these. Those without Every end.
	Keep(ctx context.Context, in activities.RoundsInput, change bool) error
	// KeepSchedule makes a schedule, unless it is there, and pauses it or lets it go on. An Invalid fault means that it can never be.
	KeepSchedule(ctx context.Context, c store.Schedule) error
	// DropSchedule ends a schedule. One that isn't there is none, without an error.
	DropSchedule(ctx context.Context, id string) error
	// RunSchedule runs a schedule now, too, and NextTimes tells when it will by itself.
	RunSchedule(ctx context.Context, id string) error
	NextTimes(ctx context.Context, id string) ([]time.Time, error)
}

const (
	callTime   = 10 * time.Second
	answerTime = 8 * time.Second  // for a worker to verify a decision
	renewTime  = 20 * time.Second // and to prolong what a provider granted
	lookTime   = 12 * time.Second // or to look at it
)

// The search attributes of a run.
var (
	templateAttribute  = temporal.NewSearchAttributeKeyKeyword("GildwayTemplate")
	requesterAttribute = temporal.NewSearchAttributeKeyKeyword("GildwayRequester")
	ownerAttribute     = temporal.NewSearchAttributeKeyKeyword("GildwayOwner")
)

// TemporalEngine is the Engine over a Temporal client, which may still be connecting.
type TemporalEngine struct{ client client.Client }

// NewTemporalEngine makes an engine.
func NewTemporalEngine(c client.Client) *TemporalEngine { return &TemporalEngine{c} }

// Start implements Engine.
func (e *TemporalEngine) Start(ctx context.Context, run plan.Run) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	t := run.Plan.Template
	attributes := []temporal.SearchAttributeUpdate{templateAttribute.ValueSet(t.Name), requesterAttribute.ValueSet(run.Requester.Ref)}
	if t.Owner != "" {
		attributes = append(attributes, ownerAttribute.ValueSet(t.Owner))
	}
	options := client.StartWorkflowOptions{
		ID:                       run.Task,
		TaskQueue:                activities.MainQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:            truncated(fmt.Sprintf("%s asked for %s", run.Requester.Ref, titleOf(t)), 200),
		StaticDetails:            details(run),
		TypedSearchAttributes:    temporal.NewSearchAttributes(attributes...),
	}
	if run.Attempt > 0 {
		return e.startAgain(ctx, options, run)
	}
	_, err := e.client.ExecuteWorkflow(ctx, options, t.Name, run)
	if isStarted(err) {
		return nil
	}
	return engineFault(err)
}

// startAgain starts a later attempt under the same workflow id, unless the newest execution is that attempt or a
// later one. Two starters at once can still start it one after the other: the second execution asks the store and
// does nothing.
func (e *TemporalEngine) startAgain(ctx context.Context, options client.StartWorkflowOptions, run plan.Run) error {
	switch newest, info, err := e.newest(ctx, run.Task); {
	case err != nil:
		return engineFault(err)
	case newest >= run.Attempt:
		return nil
	case info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return fault.New(fault.Unavailable, "the run before is still ending")
	}
	switch undoing, err := e.rollingBack(ctx, run.Task); {
	case err != nil:
		return engineFault(err)
	case undoing:
		return fault.New(fault.Unavailable, "what the task has done is still being undone")
	}
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	options.Memo = map[string]any{activities.AttemptMemo: run.Attempt}
	_, err := e.client.ExecuteWorkflow(ctx, options, run.Plan.Template.Name, run)
	if isStarted(err) {
		return fault.Wrap(fault.Unavailable, err, "another starter was faster") // which of the attempts it is, the next try tells
	}
	return engineFault(err)
}

// newest is the newest execution of a task, nil if Temporal has none, and which attempt that is.
func (e *TemporalEngine) newest(ctx context.Context, task string) (attempt int, info *workflowpb.WorkflowExecutionInfo, err error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, task, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return -1, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	info = described.GetWorkflowExecutionInfo()
	if memo, ok := info.GetMemo().GetFields()[activities.AttemptMemo]; ok {
		if err := converter.GetDefaultDataConverter().FromPayload(memo, &attempt); err != nil {
			return 0, nil, fault.Wrap(fault.Internal, err, "the memo of the run %s can't be read", task)
		}
	}
	return attempt, info, nil
}

// rollingBack reports whether what the task has done is being undone.
func (e *TemporalEngine) rollingBack(ctx context.Context, task string) (bool, error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, activities.RollbackID(task), "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return false, nil
	}
	return described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, err
}

func isStarted(err error) bool {
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.As(err, &started)
}

func titleOf(t plan.Template) string {
	if t.Title != "" {
		return t.Title
	}
	return t.Name
}

func details(run plan.Run) string {
	t := run.Plan.Template
	lines := []string{
		"**" + titleOf(t) + "**", "",
		"- template: `" + t.Ref + "`", "- version: `" + t.Digest + "`", "- requester: `" + run.Requester.Ref + "`",
		"- submitted: " + run.Submitted.UTC().Format(time.RFC3339), fmt.Sprintf("- steps: %d, %s", len(run.Plan.Steps), run.Plan.Execution),
	}
	if t.Owner != "" {
		lines = append(lines, "- owner: `"+t.Owner+"`")
	}
	return strings.Join(lines, "\n")
}

func truncated(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

// Decide implements Engine. The decision goes as an Update, which answers; when no worker answers in
// time it is left as a Signal, which waits for one. Arriving twice it counts once, by its nonce.
func (e *TemporalEngine) Decide(ctx context.Context, task string, in activities.DecideMessageInput) (*activities.Decided, error) {
	update, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	decided, err := e.update(update, task, in)
	if err == nil {
		return decided, nil
	}
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	if !errors.As(err, &late) && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil, decisionFault(err)
	}
	signal, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return nil, decisionFault(e.client.SignalWorkflow(signal, task, "", activities.DecideMessage, in))
}

func (e *TemporalEngine) update(ctx context.Context, task string, in activities.DecideMessageInput) (*activities.Decided, error) {
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: task, UpdateName: activities.DecideMessage, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return nil, err
	}
	var decided activities.Decided
	if err := handle.Get(ctx, &decided); err != nil {
		return nil, err
	}
	return &decided, nil
}

func decisionFault(err error) error {
	var ended *serviceerror.NotFound
	var app *temporal.ApplicationError
	switch {
	case errors.As(err, &ended):
		return fault.Wrap(fault.Conflict, err, "the run that waited for this approval has ended")
	case errors.As(err, &app):
		return fault.Unseal(err)
	default:
		return engineFault(err)
	}
}

// Cancel implements Engine.
func (e *TemporalEngine) Cancel(ctx context.Context, task, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := e.client.SignalWorkflow(ctx, task, "", activities.CancelMessage, reason)
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return nil
	}
	return engineFault(err)
}

// Tell implements Engine.
func (e *TemporalEngine) Tell(ctx context.Context, task, message, text string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := e.client.SignalWorkflow(ctx, task, "", message, text)
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return fault.Wrap(fault.Conflict, err, "the task has ended already")
	}
	return engineFault(err)
}

// Renew implements Engine. When no worker answers in time nothing is left behind: the caller can ask again.
func (e *TemporalEngine) Renew(ctx context.Context, lease, id string, in activities.RenewLease) (renewed activities.RenewedLease, err error) {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: lease, UpdateID: id, UpdateName: activities.RenewMessage, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &renewed)
	}
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return renewed, fault.Wrap(fault.Conflict, err, "this access has ended")
	}
	return renewed, decisionFault(err)
}

// Rollback implements Engine.
func (e *TemporalEngine) Rollback(ctx context.Context, in activities.RollbackInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: activities.RollbackID(in.Task), TaskQueue: activities.MainQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            truncated("Rolled back by "+in.By+": "+in.Why, 200),
		TypedSearchAttributes:    temporal.NewSearchAttributes(requesterAttribute.ValueSet(in.By)),
	}, activities.RollbackWorkflow, in)
	if isStarted(err) {
		return nil
	}
	return engineFault(err)
}

// Revoke implements Engine.
func (e *TemporalEngine) Revoke(ctx context.Context, lease, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := e.client.SignalWorkflow(ctx, lease, "", activities.RevokeMessage, reason)
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return fault.Wrap(fault.NotFound, err, "the lease has ended")
	}
	return engineFault(err)
}

// engineFault says what the engine's refusal means to a caller. Whatever is not known to be final is
// worth another try.
func engineFault(err error) error {
	var invalid *serviceerror.InvalidArgument
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return fault.Wrap(fault.Invalid, err, "the engine refuses this run: it is too large or malformed")
	default:
		return fault.Wrap(fault.Unavailable, err, "the engine does not answer; try again")
	}
}
