package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// estate is what there is to look at: grants by their keys, in the order of their pages.
type estate struct {
	mu        sync.Mutex
	pages     [][]activities.GrantBatch
	suspect   map[string]bool // looks changed at first
	drifted   map[string]bool // and the second time
	down      map[string]bool // queues whose provider doesn't answer
	denied    map[string]bool // and those where our credential is no good
	looked    []string
	confirmed []string
	unchecked []activities.UncheckedGrants
	begun     []time.Time // when a check began to list
}

func (e *estate) register(env activityRegistrar, now func() time.Time) {
	env.RegisterActivityWithOptions(func(_ context.Context, q activities.GrantsQuery) (page activities.GrantPage, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if q.After == 0 {
			e.begun = append(e.begun, now().UTC())
		}
		if int(q.After) < len(e.pages) {
			page.Batches = e.pages[q.After]
			page.Next = q.After + 1
		}
		return page, nil
	}, name(activities.GrantsActivity))
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.CheckGrants) (found activities.CheckedAccess, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.down[activity.GetInfo(ctx).TaskQueue] {
			return found, fault.Seal(fault.New(fault.Unavailable, "Okta does not answer"))
		}
		if e.denied[activity.GetInfo(ctx).TaskQueue] {
			return found, fault.Seal(fault.New(fault.Denied, "our token is no good"))
		}
		for _, key := range in.Keys {
			switch {
			case in.Confirm:
				e.confirmed = append(e.confirmed, key)
			case e.suspect[key]:
				found.Suspects = append(found.Suspects, key)
				continue
			default:
				e.looked = append(e.looked, key)
			}
			found.Checked++
			if e.drifted[key] {
				found.Drifted++
			}
		}
		return found, nil
	}, name(activities.CheckGrantsActivity))
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.UncheckedGrants) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.unchecked = append(e.unchecked, in)
		return nil
	}, name(activities.UncheckedActivity))
}

func TestCheckAccess_Everything_LookedAtOnce_WhatLooksChangedTwice(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	e := &estate{
		pages: [][]activities.GrantBatch{
			{{Queue: activities.OktaQueue, Keys: []string{"a", "b"}}, {Queue: activities.VaultQueue, Keys: []string{"c"}}, {Queue: activities.OktaQueue, Keys: []string{"d"}}},
			{{Queue: activities.OktaQueue, Keys: []string{"e"}}},
		},
		suspect: map[string]bool{"b": true, "c": true}, drifted: map[string]bool{"b": true},
	}
	e.register(env, env.Now)
	began := env.Now()
	env.ExecuteWorkflow(activities.CheckWorkflow, activities.CheckInput{})
	require.NoError(t, env.GetWorkflowError())
	var found activities.CheckedAccess
	require.NoError(t, env.GetWorkflowResult(&found))
	require.Equal(t, activities.CheckedAccess{Checked: 5, Drifted: 1}, found)
	slices.Sort(e.looked)
	slices.Sort(e.confirmed)
	require.Equal(t, []string{"a", "d", "e"}, e.looked)
	require.Equal(t, []string{"b", "c"}, e.confirmed)
	require.GreaterOrEqual(t, env.Now().Sub(began), 5*time.Second)
	require.Empty(t, e.unchecked)
}

func TestCheckAccess_ProviderDown_IsNoDriftAndStopsNobodyElse(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	e := &estate{
		pages: [][]activities.GrantBatch{{{Queue: activities.OktaQueue, Keys: []string{"a", "b"}}, {Queue: activities.VaultQueue, Keys: []string{"c"}}}},
		down:  map[string]bool{activities.OktaQueue: true},
	}
	e.register(env, env.Now)
	env.ExecuteWorkflow(activities.CheckWorkflow, activities.CheckInput{})
	require.NoError(t, env.GetWorkflowError())
	var found activities.CheckedAccess
	require.NoError(t, env.GetWorkflowResult(&found))
	require.Equal(t, activities.CheckedAccess{Checked: 1, Unchecked: 2}, found)
	require.Equal(t, []activities.UncheckedGrants{{Keys: []string{"a", "b"}, Why: "Okta does not answer"}}, e.unchecked)
}

// Days are those of UTC, whatever clocks people have.
func TestRounds_OverSpring_OneADay(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	env.SetTestTimeout(2 * time.Minute)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	env.SetStartTime(time.Date(2027, 1, 4, 9, 0, 0, 0, berlin))
	var ids []string
	env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
		ids = append(ids, info.WorkflowExecution.ID)
	})
	e := &estate{}
	e.register(env, env.Now)
	env.ExecuteWorkflow(activities.RoundsWorkflow, activities.RoundsInput{ID: "rounds", Check: &activities.CheckInput{}, Every: day})
	var again *workflow.ContinueAsNewError
	require.True(t, errors.As(env.GetWorkflowError(), &again), "%v", env.GetWorkflowError())
	require.Len(t, e.begun, 200)
	require.WithinDuration(t, time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC), e.begun[0], time.Minute, "the one that is due, at once")
	for i, at := range e.begun[1:] {
		require.WithinDuration(t, time.Date(2027, 1, 5+i, 0, 0, 0, 0, time.UTC), at, time.Minute)
	}
	require.Len(t, ids, 200)
	for i, id := range ids {
		require.True(t, strings.HasPrefix(id, fmt.Sprintf("rounds/%sT00:00:00Z", time.Date(2027, 1, 4+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))), id)
	}
}

// An execution that takes over begins no round a second time.
func TestRounds_TakenOver_WaitsForTheNext(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	env.SetStartTime(time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC))
	last := time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC)
	e := &estate{}
	e.register(env, env.Now)
	env.RegisterDelayedCallback(env.CancelWorkflow, 20*time.Hour)
	env.ExecuteWorkflow(activities.RoundsWorkflow, activities.RoundsInput{ID: "rounds", Check: &activities.CheckInput{}, Every: day, Last: &last})
	require.Len(t, e.begun, 1)
	require.WithinDuration(t, last.Add(day), e.begun[0], time.Minute)
}
