package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// fakeTemporal is a client with the three calls that the engine makes.
type fakeTemporal struct {
	client.Client
	options   client.StartWorkflowOptions
	kind      any
	start     error
	update    error
	signal    error
	signalled []string
	newest    *workflowpb.WorkflowExecutionInfo // of the task
	rollback  *workflowpb.WorkflowExecutionInfo
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	info := f.newest
	if strings.HasPrefix(id, activities.RollbackID("")) {
		info = f.rollback
	}
	if info == nil {
		return nil, serviceerror.NewNotFound("x")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

func (f *fakeTemporal) ExecuteWorkflow(_ context.Context, options client.StartWorkflowOptions, kind any, _ ...any) (client.WorkflowRun, error) {
	f.options, f.kind = options, kind
	return nil, f.start
}

func (f *fakeTemporal) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, f.update
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, _, _, name string, _ any) error {
	f.signalled = append(f.signalled, name)
	return f.signal
}

func TestTemporalEngine_Start_WhatAnAuditorSearchesFor(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{}
	run := plan.Run{Task: "task-1", Requester: plan.Person{Ref: rosa}, Plan: plan.Plan{Template: plan.Template{
		Ref: "template:default/noop", Name: "noop", Title: "Two steps", Owner: "group:default/platform"}}}
	require.NoError(t, NewTemporalEngine(f).Start(t.Context(), run))
	require.Equal(t, "noop", f.kind)
	require.Equal(t, "task-1", f.options.ID)
	require.Equal(t, activities.MainQueue, f.options.TaskQueue)
	require.Equal(t, "user:default/rosa asked for Two steps", f.options.StaticSummary)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, f.options.WorkflowIDReusePolicy)
	template, ok := f.options.TypedSearchAttributes.GetKeyword(templateAttribute)
	require.True(t, ok)
	require.Equal(t, "noop", template)
	owner, _ := f.options.TypedSearchAttributes.GetKeyword(ownerAttribute)
	require.Equal(t, "group:default/platform", owner)
}

// executionOf is how Temporal describes the execution of an attempt.
func executionOf(t *testing.T, attempt int, status enumspb.WorkflowExecutionStatus) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	info := &workflowpb.WorkflowExecutionInfo{Status: status}
	if attempt > 0 {
		payload, err := converter.GetDefaultDataConverter().ToPayload(attempt)
		require.NoError(t, err)
		info.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{activities.AttemptMemo: payload}}
	}
	return info
}

func TestTemporalEngine_StartAgain_OnceForEachAttempt(t *testing.T) {
	t.Parallel()
	const running, ended = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	for name, c := range map[string]struct {
		newest  *workflowpb.WorkflowExecutionInfo
		back    *workflowpb.WorkflowExecutionInfo // the rollback
		err     error                             // of the start
		starts  bool
		refused error
	}{
		"it is being undone":            {newest: executionOf(t, 1, ended), back: executionOf(t, 0, running), refused: fault.Unavailable},
		"it was undone":                 {newest: executionOf(t, 1, ended), back: executionOf(t, 0, ended), starts: true},
		"the one before has ended":      {newest: executionOf(t, 1, ended), starts: true},
		"the first has ended":           {newest: executionOf(t, 0, ended), starts: true},
		"forgotten by Temporal":         {starts: true},
		"the one before is ending":      {newest: executionOf(t, 1, running), refused: fault.Unavailable},
		"started before, not marked":    {newest: executionOf(t, 2, running)},
		"started and ended, not marked": {newest: executionOf(t, 2, ended)},
		"superseded":                    {newest: executionOf(t, 3, running)},
		"another starter is faster":     {newest: executionOf(t, 1, ended), err: serviceerror.NewWorkflowExecutionAlreadyStarted("x", "", ""), starts: true, refused: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTemporal{newest: c.newest, rollback: c.back, start: c.err}
			err := NewTemporalEngine(f).Start(t.Context(), plan.Run{Task: "t", Attempt: 2})
			if c.refused != nil {
				require.ErrorIs(t, err, c.refused)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.starts, f.options.ID != "")
			if c.starts {
				require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, f.options.WorkflowIDReusePolicy)
				require.Equal(t, map[string]any{activities.AttemptMemo: 2}, f.options.Memo)
			}
		})
	}
}

func TestTemporalEngine_Start_Errors(t *testing.T) {
	t.Parallel()
	start := func(err error) error {
		return NewTemporalEngine(&fakeTemporal{start: err}).Start(t.Context(), plan.Run{Task: "t"})
	}
	require.NoError(t, start(serviceerror.NewWorkflowExecutionAlreadyStarted("x", "", "")))
	require.ErrorIs(t, start(serviceerror.NewInvalidArgument("too large")), fault.Invalid)
	require.ErrorIs(t, start(serviceerror.NewUnavailable("x")), fault.Unavailable)
	require.ErrorIs(t, start(serviceerror.NewNamespaceNotFound("x")), fault.Unavailable)
	require.ErrorIs(t, start(context.DeadlineExceeded), fault.Unavailable)
}

func TestTemporalEngine_Decide_NobodyAnswers_IsLeftAsASignal(t *testing.T) {
	t.Parallel()
	late := client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded)
	f := &fakeTemporal{update: late}
	decided, err := NewTemporalEngine(f).Decide(t.Context(), "t", activities.DecideMessageInput{})
	require.NoError(t, err)
	require.Nil(t, decided)
	require.Equal(t, []string{activities.DecideMessage}, f.signalled)

	f = &fakeTemporal{update: late, signal: serviceerror.NewNotFound("x")}
	_, err = NewTemporalEngine(f).Decide(t.Context(), "t", activities.DecideMessageInput{})
	require.ErrorIs(t, err, fault.Conflict)
}

func TestTemporalEngine_Decide_Errors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want fault.Kind
	}{
		{fault.Seal(fault.New(fault.Denied, "no")), fault.Denied},
		{fault.Seal(fault.New(fault.Conflict, "late")), fault.Conflict},
		{serviceerror.NewNotFound("x"), fault.Conflict},
		{serviceerror.NewUnavailable("x"), fault.Unavailable},
		{errors.New("x"), fault.Unavailable},
	} {
		f := &fakeTemporal{update: c.err}
		_, err := NewTemporalEngine(f).Decide(t.Context(), "t", activities.DecideMessageInput{})
		require.ErrorIs(t, err, c.want)
		require.Empty(t, f.signalled)
	}
}

func TestTemporalEngine_Cancel_EndedRunIsNoError(t *testing.T) {
	t.Parallel()
	require.NoError(t, NewTemporalEngine(&fakeTemporal{signal: serviceerror.NewNotFound("x")}).Cancel(t.Context(), "t", "r"))
	require.ErrorIs(t, NewTemporalEngine(&fakeTemporal{signal: serviceerror.NewUnavailable("x")}).Cancel(t.Context(), "t", "r"), fault.Unavailable)
}

func TestTemporalEngine_Results_WhatIsBeingUndone_IsNotTakenOver(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{rollback: executionOf(t, 0, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)}
	_, err := NewTemporalEngine(f).Results(t.Context(), "t")
	require.ErrorIs(t, err, fault.Conflict)
	require.ErrorContains(t, err, "is being undone")
}

func TestTemporalEngine_Lost_AnAttemptThatNobodyStarted_IsUnknown(t *testing.T) {
	t.Parallel()
	const running, ended = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	for name, c := range map[string]struct {
		newest *workflowpb.WorkflowExecutionInfo
		want   string
	}{
		"the one before has ended":      {executionOf(t, 1, ended), unknownRun},
		"the one before is still there": {executionOf(t, 1, running), ""},
		"a later one has begun":         {executionOf(t, 3, ended), ""},
		"it goes on":                    {executionOf(t, 2, running), ""},
	} {
		how, err := NewTemporalEngine(&fakeTemporal{newest: c.newest}).Lost(t.Context(), "t", 2)
		require.NoError(t, err)
		require.Equal(t, c.want, how, name)
	}
}
