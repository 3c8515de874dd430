package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

const byApprover = `{"approvers":["user:default/approver"]}`

// answer is what an update came to.
type answer struct {
	rejected bool // by the validator: nothing of it stands in history
	err      error
}

// asks sends a decision as an update.
func asks(env *testsuite.TestWorkflowEnvironment, id string, in activities.DecideMessageInput) *answer {
	a := &answer{}
	env.UpdateWorkflow(activities.DecideMessage, id, &testsuite.TestUpdateCallback{
		OnReject:   func(err error) { a.rejected, a.err = true, err },
		OnComplete: func(_ any, err error) { a.err = err },
	}, in)
	return a
}

func TestGate_Approved_GivesWhoAndWhen(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"update", "signal"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			yes := message("g", statement(approver, plan.Approve, "go ahead", "1"))
			env.RegisterDelayedCallback(func() {
				require.Equal(t, workflows.Awaiting, state(t, env)["g"].State)
				if by == "signal" {
					env.SignalWorkflow(activities.DecideMessage, yes)
				} else {
					asks(env, "1", yes)
				}
			}, 21*24*time.Hour)
			in := runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"})
			env.ExecuteWorkflow("sample", in)

			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, []string{"run-started", "step-began g", "step-completed g", "run-completed"}, w.told())
			require.JSONEq(t, `{"approved":true,"approvers":["user:default/approver"],"decisions":[
				{"by":"user:default/approver","comment":"go ahead","at":"1970-01-01T00:00:00Z"}]}`,
				string(w.recordOf(t, activities.StepCompleted, "g").Output))
			require.Equal(t, []activities.CloseGate{{Task: task, Gate: task + ".g", Step: "g", Outcome: plan.Approved}}, w.closed)
			require.Equal(t, in.Digest(), w.decides[0].Digest)
			require.Equal(t, requester, w.decides[0].Requester)
			require.Equal(t, []string{"test:do b"}, w.called("test:do"))
		})
	}
}

func TestGate_SearchAttributes_SayWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	phase := temporal.NewSearchAttributeKeyKeyword("GildwayPhase")
	approvers := temporal.NewSearchAttributeKeyKeywordList("GildwayApprovers")
	var seen []temporal.SearchAttributes
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		seen = append(seen, args.Get(0).(temporal.SearchAttributes))
	}).Return(nil)
	env.RegisterDelayedCallback(func() {
		asks(env, "1", message("g", statement(approver, plan.Approve, "", "1")))
	}, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, gateStep("g", byApprover)))

	require.NoError(t, env.GetWorkflowError())
	var phases []string
	for _, s := range seen {
		p, _ := s.GetKeyword(phase)
		phases = append(phases, p)
	}
	require.Equal(t, []string{"running", "waiting", "running", "completed"}, phases)
	waitsFor, _ := seen[1].GetKeywordList(approvers)
	require.Equal(t, []string{approver}, waitsFor)
	unset, _ := seen[2].GetKeywordList(approvers)
	require.Empty(t, unset)
}

// An approver whose decision was left as a signal has gone away with the answer that it is taken.
func TestGate_SignalDuringAnOutage_CountsAfterIt(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.decideDown = true
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(activities.DecideMessage, message("g", statement(approver, plan.Approve, "", "1")))
	}, time.Hour)
	env.RegisterDelayedCallback(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.decideDown = false
	}, 3*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover)))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, plan.Approved, w.closed[0].Outcome)
}

// A decision that waits for the end of an outage keeps no run alive whose gate has closed.
func TestGate_SignalDuringAnOutage_EndsWithTheGate(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.decideDown = true
	start := env.Now()
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(activities.DecideMessage, message("g", statement(approver, plan.Approve, "", "1")))
	}, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", `{"approvers":["user:default/approver"],"timeout":"1d"}`)))
	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.WithinDuration(t, start.Add(24*time.Hour), env.Now(), 5*time.Minute)
	require.Equal(t, plan.Rejected, w.closed[0].Outcome)
}

func TestGate_Rejected_FailsTheRun(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() {
		asks(env, "1", message("g", statement(approver, plan.Reject, "too expensive", "1")))
	}, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))

	f := failure(t, env)
	require.Equal(t, fault.Denied, f.Kind)
	require.Equal(t, `"Approve g" was rejected by user:default/approver: too expensive`, f.Public)
	require.Equal(t, plan.Rejected, w.closed[0].Outcome)
	require.Empty(t, w.called("test:do"))
}

func TestGate_NobodyDecides_IsARejection(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	start := env.Now()
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", `{"approvers":["user:default/approver"],"timeout":"14d"}`)))

	require.Equal(t, `"Approve g" was rejected because nobody decided within 14d`, failure(t, env).Public)
	require.Equal(t, fault.Denied, failure(t, env).Kind)
	require.Equal(t, "because nobody decided within 14d", w.closed[0].Why)
	require.WithinDuration(t, start.Add(14*24*time.Hour), env.Now(), time.Minute)
}

func TestGate_Refusals_LeaveItOpen(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	in := runOf(plan.Sequential, gateStep("g", `{"approvers":["group:default/leads"],"required":2}`))
	var own, forged, unknown, first, again *answer
	env.RegisterDelayedCallback(func() {
		own = asks(env, "own", message("g", statement(requester, plan.Approve, "", "1")))
		forged = asks(env, "forged", message("g", "not a statement"))
		unknown = asks(env, "unknown", message("nowhere", statement(approver, plan.Approve, "", "2")))
		first = asks(env, "first", message("g", statement(approver, plan.Approve, "", "3")))
		again = asks(env, "again", message("g", statement(approver, plan.Approve, "", "3")))
	}, time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "1 of 2 have approved", state(t, env)["g"].Note)
		asks(env, "second", message("g", statement("user:default/other", plan.Approve, "", "4")))
	}, 2*time.Hour)
	env.ExecuteWorkflow("sample", in)

	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, fault.Denied, fault.Unseal(own.err).Kind)
	require.Equal(t, fault.Denied, fault.Unseal(forged.err).Kind)
	require.Equal(t, fault.Conflict, fault.Unseal(unknown.err).Kind)
	require.True(t, unknown.rejected)
	require.NoError(t, first.err)
	require.Equal(t, fault.Conflict, fault.Unseal(again.err).Kind)
	require.Len(t, w.decides[len(w.decides)-1].Before, 1)
}

func TestGate_EarlyOrLate_IsAConflict(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	var early, late *answer
	env.RegisterDelayedCallback(func() {
		early = asks(env, "early", message("g", statement(approver, plan.Approve, "", "1")))
	}, 0)
	env.RegisterDelayedCallback(func() {
		asks(env, "yes", message("g", statement(approver, plan.Approve, "", "2")))
	}, time.Hour)
	env.RegisterDelayedCallback(func() {
		late = asks(env, "late", message("g", statement(approver, plan.Reject, "", "3")))
	}, 2*time.Hour)
	in := runOf(plan.Sequential, gateStep("g", byApprover), gateStep("h", `{"approvers":["user:default/approver"],"timeout":"1d"}`))
	env.ExecuteWorkflow("sample", in)

	require.Equal(t, fault.Denied, failure(t, env).Kind, "nobody decided h")
	require.True(t, early.rejected)
	require.Equal(t, fault.Conflict, fault.Unseal(early.err).Kind)
	require.True(t, late.rejected)
	require.Equal(t, fault.Conflict, fault.Unseal(late.err).Kind)
	require.Len(t, w.decides, 1)
}

func TestGate_DecidedWhileItOpens_Counts(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"update", "signal"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			yes := message("g", statement(approver, plan.Approve, "", "1"))
			decided := &answer{}
			w.opensGate = func() { // whoever reads the list of approvals now sees it
				if by == "signal" {
					env.SignalWorkflow(activities.DecideMessage, yes)
				} else {
					decided = asks(env, "1", yes)
				}
			}
			env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover)))

			require.NoError(t, env.GetWorkflowError())
			require.NoError(t, decided.err)
			require.Equal(t, plan.Approved, w.closed[0].Outcome)
		})
	}
}

func TestGate_TwoAtOnce_CountOneAfterTheOther(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	var yes, no *answer
	env.RegisterDelayedCallback(func() {
		yes = asks(env, "yes", message("g", statement(approver, plan.Approve, "", "1")))
		no = asks(env, "no", message("g", statement("user:default/other", plan.Reject, "", "2")))
	}, time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover)))

	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, yes.err)
	require.Equal(t, fault.Conflict, fault.Unseal(no.err).Kind, "it came when the approval was decided")
	require.Len(t, w.decides, 1)
}

func TestGate_AnotherStepFails_PeopleAreNotKept(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	opened := make(chan struct{})
	w.opensGate = func() { close(opened) }
	w.does(env, "test:later", func(context.Context, activities.Invocation) (activities.Outcome, error) {
		<-opened
		return activities.Outcome{}, fault.New(fault.Invalid, "no")
	})
	env.ExecuteWorkflow("sample", runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "b", Action: "test:later"}))

	require.Equal(t, "no", failure(t, env).Public)
	require.Equal(t, plan.Pending, w.closed[0].Outcome, "nobody rejected it")
	require.Equal(t, "because another step failed", w.closed[0].Why)
	require.Contains(t, w.told(), "step-skipped g")
}

func TestGate_Waiting_TakesNoPlace(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, []string{"test:do b"}, w.called("test:do"))
		asks(env, "1", message("g", statement(approver, plan.Approve, "", "1")))
	}, time.Hour)
	in := runOf(plan.DAG, gateStep("g", byApprover), plan.Step{ID: "b"}, plan.Step{ID: "c", Needs: []string{"g"}})
	in.Plan.Parallel = 1
	env.ExecuteWorkflow("sample", in)
	require.NoError(t, env.GetWorkflowError())
}

func TestGate_WithEach_IsRefused(t *testing.T) {
	t.Parallel()
	env, _ := environment(t)
	g := gateStep("g", byApprover)
	g.Each = json.RawMessage(`["1"]`)
	env.ExecuteWorkflow("sample", runOf(plan.DAG, g))
	require.True(t, errors.Is(failure(t, env), fault.Invalid))
}

// staged lets a test say how the gate is, in the plan's own words.
func staged(w *world, change func(*plan.Approval)) {
	w.approval = change
}

func TestGate_Stages_EachWaitsForTheOneBefore(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	staged(w, func(a *plan.Approval) {
		a.Stages = []plan.Stage{{Name: "Team", Approvers: []string{approver}}, {Name: "Security", Approvers: []string{"user:default/sid"}}}
	})
	at := func(stage int, by, nonce string) activities.DecideMessageInput {
		raw, _ := json.Marshal(plan.Decision{By: by, As: by, Verdict: plan.Approve, Nonce: nonce, Stage: stage})
		return message("g", string(raw))
	}
	env.RegisterDelayedCallback(func() { asks(env, "1", at(0, approver, "1")) }, time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "0 of 1 have approved, stage Security", state(t, env)["g"].Note)
		asks(env, "2", at(1, "user:default/sid", "2"))
	}, 2*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b", Name: "Grant"}))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []activities.Behind{{ID: "b", Name: "Grant", Action: "test:do"}}, w.gateOpened.Behind)
	require.JSONEq(t, byApprover, string(w.gateOpened.Written))
	require.Equal(t, "sha256:shown", w.decides[0].Shown)
	require.Equal(t, []string{"test:do b"}, w.called("test:do"))
}

func TestGate_Late_GoesOnAsItsTemplateSays(t *testing.T) {
	t.Parallel()
	const boss = "user:default/boss"
	for name, c := range map[string]struct {
		rule    plan.Approval
		decides string
		after   time.Duration
		want    plan.Outcome
		news    []string
	}{
		"approved":           {plan.Approval{OnTimeout: plan.ApproveLate}, "", 0, plan.Approved, nil},
		"rejected":           {plan.Approval{}, "", 0, plan.Rejected, nil},
		"escalated, decided": {plan.Approval{OnTimeout: plan.EscalateLate, EscalateTo: []string{boss}}, boss, 36 * time.Hour, plan.Approved, []string{"escalate"}},
		"escalated in vain":  {plan.Approval{OnTimeout: plan.EscalateLate, EscalateTo: []string{boss}}, "", 0, plan.Rejected, []string{"escalate"}},
		"reminded": {plan.Approval{RemindEvery: plan.Duration(10 * time.Hour)}, approver, 23 * time.Hour, plan.Approved,
			[]string{"remind 1", "remind 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			staged(w, func(a *plan.Approval) {
				a.Timeout, a.OnTimeout, a.EscalateTo, a.RemindEvery = plan.Duration(24*time.Hour), c.rule.OnTimeout, c.rule.EscalateTo, c.rule.RemindEvery
			})
			if c.decides != "" {
				env.RegisterDelayedCallback(func() { asks(env, "1", message("g", statement(c.decides, plan.Approve, "", "1"))) }, c.after)
			}
			env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
			require.Equal(t, c.want, w.closed[0].Outcome)
			require.Equal(t, c.want == plan.Approved, env.GetWorkflowError() == nil)
			require.Equal(t, c.news, w.news)
			if name == "escalated, decided" {
				require.Equal(t, []string{approver, boss}, w.decides[0].Approval.Approvers)
			}
		})
	}
}

// What comes after the decision by a signal, which nobody answers, is written down by whoever verifies decisions.
func TestGate_LateSignal_IsWrittenDown(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	say := func(verdict plan.Verdict, nonce string, after time.Duration) {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow(activities.DecideMessage, message("g", statement(approver, verdict, "", nonce)))
		}, after)
	}
	say(plan.Approve, "1", time.Hour)
	say(plan.Reject, "2", 2*time.Hour)
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), gateStep("h", `{"approvers":["user:default/approver"],"timeout":"3h"}`)))
	failure(t, env)
	require.Len(t, w.decides, 2)
	require.False(t, w.decides[0].Late)
	require.True(t, w.decides[1].Late)
	require.Equal(t, plan.Approved, w.closed[0].Outcome)
}

func TestGate_Reminders_EndSomeTime(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	staged(w, func(a *plan.Approval) {
		a.Timeout, a.RemindEvery = plan.Duration(24*time.Hour), plan.Duration(time.Minute)
	})
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover)))
	failure(t, env)
	require.Len(t, w.news, 100, "what nobody decides must not fill history")
	require.Equal(t, "remind 100", w.news[99])
}

func TestGate_Automatic_WaitsForNobody(t *testing.T) {
	t.Parallel()
	env, w := environment(t)
	w.automatic = "it is small"
	env.ExecuteWorkflow("sample", runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}))
	require.NoError(t, env.GetWorkflowError())
	require.Empty(t, w.closed, "it was never open")
	require.JSONEq(t, `{"approved":true,"approvers":[],"decisions":[],"automatic":"it is small"}`, string(w.recordOf(t, activities.StepCompleted, "g").Output))
}
