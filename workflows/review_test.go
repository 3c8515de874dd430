package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// owners have their templates' grants reviewed: what is left of each review, and what happened to it when.
type owners struct {
	mu       sync.Mutex
	grants   map[string]int // by owner
	left     map[string]int // by review
	opened   map[string]time.Time
	reminded map[string]time.Time
	closed   map[string]time.Time
	turns    []int
	nonces   map[string]bool
}

func newOwners(grants map[string]int) *owners {
	return &owners{
		grants: grants, left: map[string]int{}, opened: map[string]time.Time{}, reminded: map[string]time.Time{}, closed: map[string]time.Time{},
		nonces: map[string]bool{},
	}
}

func (o *owners) register(env activityRegistrar, now func() time.Time) {
	env.RegisterActivityWithOptions(func(context.Context) (list []string, err error) {
		for owner := range o.grants {
			list = append(list, owner)
		}
		slices.Sort(list)
		return list, nil
	}, name(activities.ReviewedOwnersActivity))
	once := func(at map[string]time.Time) func(context.Context, activities.OpenReview) error {
		return func(_ context.Context, r activities.OpenReview) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			if _, twice := at[r.ID]; twice {
				return fmt.Errorf("%s a second time", r.ID)
			}
			at[r.ID] = now().UTC()
			return nil
		}
	}
	opens := once(o.opened)
	env.RegisterActivityWithOptions(func(ctx context.Context, r activities.OpenReview) (int, error) {
		if err := opens(ctx, r); err != nil {
			return 0, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.left[r.ID] = o.grants[r.Owner]
		return o.left[r.ID], nil
	}, name(activities.OpenReviewActivity))
	env.RegisterActivityWithOptions(once(o.reminded), name(activities.RemindReviewActivity))
	env.RegisterActivityWithOptions(once(o.closed), name(activities.CloseReviewActivity))
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.ReviewClaim) (activities.ReviewDecided, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.turns = append(o.turns, in.Turn)
		if in.Said.Statement == "forged" || o.nonces[in.Said.Statement] {
			return activities.ReviewDecided{}, fault.Seal(fault.New(fault.Denied, "no proof"))
		}
		o.nonces[in.Said.Statement] = true
		o.left[in.ID] -= len(in.Said.Confirm) + len(in.Said.Revoke)
		return activities.ReviewDecided{By: approver, Left: o.left[in.ID]}, nil
	}, name(activities.DecideReviewActivity))
}

// says hands decisions to a review some time after the start, and keeps what is refused.
func (*owners) says(env *testsuite.TestWorkflowEnvironment, review string, after time.Duration, said activities.DecideReview, refused *[]error) {
	env.RegisterDelayedCallback(func() {
		no := func(err error) {
			if err != nil {
				*refused = append(*refused, err)
			}
		}
		err := env.UpdateWorkflowByID(review, activities.ReviewMessage, fmt.Sprint(review, after, said.Statement), &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: no, OnComplete: func(_ any, err error) { no(err) },
		}, said)
		no(err)
	}, after)
}

// A year of monthly reviews that begins in winter: each owner is asked once a round, reminded halfway and let go on the day, over
// both changes of the clocks.
func TestReviews_AYear_EachOwnerOnceARound(t *testing.T) {
	t.Parallel()
	const every, within = 30 * day, 14 * day
	env, _ := environment(t)
	env.SetTestTimeout(2 * time.Minute)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	start := time.Date(2027, 1, 4, 9, 0, 0, 0, berlin)
	env.SetStartTime(start)
	o := newOwners(map[string]int{"group:default/answers": 1, "group:default/silent": 3})
	o.register(env, env.Now)
	due := []time.Time{start.UTC().Truncate(every)}
	for next := due[0].Add(every); next.Before(start.Add(365 * day)); next = next.Add(every) {
		due = append(due, next)
	}
	require.GreaterOrEqual(t, len(due), 12)
	var refused []error
	for i, at := range due[1:] {
		said := activities.DecideReview{Confirm: []string{"a"}, Statement: fmt.Sprint("proof ", i)}
		o.says(env, activities.ReviewID("group:default/answers", at), at.Add(3*day).Sub(start), said, &refused)
	}
	env.RegisterDelayedCallback(env.CancelWorkflow, due[len(due)-1].Add(20*day).Sub(start))
	env.ExecuteWorkflow(activities.RoundsWorkflow, activities.RoundsInput{
		ID: activities.ReviewRounds, Review: &activities.ReviewRound{Within: within}, Every: every,
	})
	require.Empty(t, refused)
	require.Len(t, o.opened, 2*len(due))
	for i, at := range due {
		begins := at
		if i == 0 {
			begins = start // what is due is begun at once
		}
		silent, answers := activities.ReviewID("group:default/silent", at), activities.ReviewID("group:default/answers", at)
		for _, id := range []string{silent, answers} {
			require.WithinDuration(t, begins, o.opened[id], time.Minute, id)
		}
		require.WithinDuration(t, begins.Add(within/2), o.reminded[silent], time.Minute)
		require.WithinDuration(t, begins.Add(within), o.closed[silent], time.Minute)
		if i > 0 {
			require.NotContains(t, o.reminded, answers)
			require.WithinDuration(t, begins.Add(3*day), o.closed[answers], time.Minute, "nothing is left")
		}
	}
}

func TestReview_Decisions_OneByOne_NoneAfterItsEnd(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	const owner = "group:default/team"
	o := newOwners(map[string]int{owner: 3})
	o.register(env, env.Now)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "access-review/team"})
	var refused, none []error
	says := func(after time.Duration, statement string, refused *[]error) {
		o.says(env, "access-review/team", after, activities.DecideReview{Confirm: []string{"a"}, Statement: statement}, refused)
	}
	says(day, "forged", &refused)
	says(2*day, "one", &none)
	says(3*day, "one", &refused)
	for _, statement := range []string{"two", "three", "four"} { // at the same moment, about the two that are left
		says(4*day, statement, &refused)
	}
	start := env.Now()
	env.ExecuteWorkflow(activities.ReviewWorkflow, activities.ReviewInput{ID: "access-review/team", Owner: owner, Within: 14 * day})
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, none)
	require.Len(t, refused, 3)
	require.Equal(t, fault.Conflict, fault.Unseal(refused[2]).Kind, "%v", refused[2])
	require.Equal(t, []int{1, 2, 3, 4, 5}, o.turns, "each has a turn of its own")
	require.Empty(t, o.reminded)
	require.WithinDuration(t, start.Add(4*day), o.closed["access-review/team"], time.Minute)
}

// Many decisions make a history long: the review goes on in a fresh execution, asks nobody again and keeps its time.
func TestReview_LongHistory_GoesOnAfresh(t *testing.T) {
	t.Parallel()
	const id, owner = "access-review/team", "group:default/team"
	env, _ := environment(t)
	o := newOwners(map[string]int{owner: 3})
	o.register(env, env.Now)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id})
	var refused []error
	o.says(env, id, day, activities.DecideReview{Confirm: []string{"a"}, Statement: "one"}, &refused)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 12*time.Hour)
	start := env.Now()
	env.ExecuteWorkflow(activities.ReviewWorkflow, activities.ReviewInput{ID: id, Owner: owner, Within: 14 * day})
	var again *workflow.ContinueAsNewError
	require.True(t, errors.As(env.GetWorkflowError(), &again), "%v", env.GetWorkflowError())
	require.Empty(t, refused)
	require.Empty(t, o.closed)
	var in activities.ReviewInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	require.Equal(t, 1, in.Turn)

	env, _ = environment(t)
	env.SetStartTime(start.Add(day))
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id})
	o.register(env, env.Now)
	o.says(env, id, day, activities.DecideReview{Confirm: []string{"b"}, Statement: "two"}, &refused)
	env.ExecuteWorkflow(activities.ReviewWorkflow, in)
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, refused)
	require.Equal(t, []int{1, 2}, o.turns)
	require.Len(t, o.opened, 1, "asked once")
	require.WithinDuration(t, start.Add(7*day), o.reminded[id], time.Minute)
	require.WithinDuration(t, start.Add(14*day), o.closed[id], time.Minute)
}

func TestReview_OfNothing_AsksNobody(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	o := newOwners(nil)
	o.register(env, env.Now)
	env.ExecuteWorkflow(activities.ReviewWorkflow, activities.ReviewInput{ID: "access-review/none", Owner: "group:default/team", Within: 14 * day})
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, o.reminded)
	require.Empty(t, o.closed)
}
