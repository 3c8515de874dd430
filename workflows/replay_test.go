package workflows_test

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/workflows"
)

// Histories are recorded against a Temporal server that no other worker serves, once a release, and
// never changed while a run of that age can be open:
//
//	go test ./workflows -run TestReplay -record 127.0.0.1:7233 -release v0.1
var (
	recordFrom = flag.String("record", "", "host:port of a Temporal server to record histories from")
	release    = flag.String("release", "unreleased", "the folder that they are recorded into")
)

func TestReplay_EveryRecordedHistory_StillReplays(t *testing.T) {
	t.Parallel()
	if *recordFrom != "" {
		recordHistories(t)
	}
	files, err := filepath.Glob("testdata/histories/*/*.json") // <release>/<what it shows>.json
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(quiet(), file))
		})
	}
}

func quiet() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// recordHistories carries out a run of every kind and keeps its history, and those of its leases and of parts
// of its loops.
func recordHistories(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	c, err := client.Dial(client.Options{HostPort: *recordFrom, Logger: quiet()})
	require.NoError(t, err)
	defer c.Close()
	addSearchAttributes(ctx, t, c)
	w := newWorld()
	recordOutage(ctx, t, c, w)
	server := worker.New(c, activities.MainQueue, worker.Options{})
	workflows.Register(server)
	w.register(server)
	failsAt(server, w, "280")
	w.does(server, "test:cancel", func(ctx context.Context, in activities.Invocation) (out activities.Outcome, err error) {
		if in.Iteration == "270" {
			err = c.SignalWorkflow(ctx, in.Run.Task, "", activities.CancelMessage, "enough")
		}
		return out, err
	})
	w.undoes(server, "test:cancel", func(activities.UndoInvocation) error { return nil })
	estate := checkedEstate()
	estate.register(server, time.Now)
	people := preparePeople(server, w)
	newOwners(map[string]int{"group:default/team": 2}).register(server, time.Now)
	require.NoError(t, server.Start())
	defer server.Stop()

	complete := runOf(plan.DAG,
		plan.Step{ID: "a", Local: true, Workspace: plan.Writes},
		plan.Step{ID: "b", Each: json.RawMessage(`["1","2","3"]`), Undoable: true},
		gateStep("g", byApprover, "a"),
		plan.Step{ID: "c", Needs: []string{"g"}, If: json.RawMessage(`false`)},
		plan.Step{ID: "d", Needs: []string{"g", "c"}, Undoable: true, Lease: &plan.Lease{TTL: plan.Duration(time.Second)}})
	undone := undoing(plan.Sequential,
		plan.Step{ID: "a", Undoable: true}, leased("b", 24*time.Hour),
		plan.Step{ID: "c", Action: "test:fail"}, plan.Step{ID: "d"},
		plan.Step{ID: "e", If: json.RawMessage(`"always()"`), RunsAfterFailure: true})
	cancelled := undoing(plan.Sequential, plan.Step{ID: "a", Undoable: true}, gateStep("g", `{"approvers":["user:default/approver"],"timeout":"14d"}`))

	save(ctx, t, c, "dag-gate-loop-lease", start(ctx, t, c, complete, func(id string) {
		_, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: activities.DecideMessage, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{activities.DecideMessageInput{Gate: activities.GateID(id, 0, "g"), Statement: statement(approver, plan.Approve, "", id)}},
		})
		require.NoError(t, err)
	}))
	failed := start(ctx, t, c, undone, nil)
	save(ctx, t, c, "failure-undo", failed)
	save(ctx, t, c, "lease-revoked", "lease/"+failed+"/b")
	save(ctx, t, c, "cancel-at-gate", start(ctx, t, c, cancelled, func(id string) {
		require.NoError(t, c.SignalWorkflow(ctx, id, "", activities.CancelMessage, "not needed"))
	}))
	recordBranches(ctx, t, c)
	recordLoops(ctx, t, c, w)
	recordChecks(ctx, t, c, estate)
	people.record(ctx, t, c)
	recordReviews(ctx, t, c)
}

// recordOutage has somebody say no while no worker is there, and the gate's time run out before one is back.
func recordOutage(ctx context.Context, t *testing.T, c client.Client, w *world) {
	serve := func() worker.Worker {
		server := worker.New(c, activities.MainQueue, worker.Options{})
		workflows.Register(server)
		w.register(server)
		require.NoError(t, server.Start())
		return server
	}
	const timeout = 5 * time.Second
	w.approval = func(a *plan.Approval) { a.Timeout, a.OnTimeout = plan.Duration(timeout), plan.ApproveLate }
	server := serve()
	save(ctx, t, c, "decision-while-nobody-worked", start(ctx, t, c, runOf(plan.Sequential, gateStep("g", byApprover), plan.Step{ID: "b"}), func(id string) {
		server.Stop()
		require.NoError(t, c.SignalWorkflow(ctx, id, "", activities.DecideMessage, activities.DecideMessageInput{
			Gate: activities.GateID(id, 0, "g"), Statement: statement(approver, plan.Reject, "", id),
		}))
		time.Sleep(2 * timeout) // nobody is there to see it
		server = serve()
	}))
	server.Stop()
	w.approval = nil
}

// recordReviews has an owner answer one of two grants, refuses a forged word, and lets the time run out.
func recordReviews(ctx context.Context, t *testing.T, c client.Client) {
	const owner = "group:default/team"
	at, within := time.Now().UTC().Truncate(time.Second), 20*time.Second
	round, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: uuid.NewString(), TaskQueue: activities.MainQueue},
		activities.ReviewRoundWorkflow, activities.ReviewRound{At: at, Within: within})
	require.NoError(t, err)
	require.NoError(t, round.Get(ctx, nil))
	save(ctx, t, c, "access-review-round", round.GetID())

	id := activities.ReviewID(owner, at)
	require.Eventually(t, func() bool { return size(ctx, t, c, id) > 8 }, time.Minute, 100*time.Millisecond) // it has opened
	say := func(statement string) error {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: activities.ReviewMessage, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{activities.DecideReview{Confirm: []string{"a"}, Statement: statement}},
		})
		require.NoError(t, err)
		return handle.Get(ctx, nil)
	}
	require.Error(t, say("forged"))
	require.NoError(t, say("genuine"))
	require.NoError(t, c.GetWorkflow(ctx, id, "").Get(ctx, nil))
	save(ctx, t, c, "access-review", id)
}

// checkedEstate has a grant that looks changed, and one that can't be seen.
func checkedEstate() *estate {
	return &estate{
		pages: [][]activities.GrantBatch{
			{{Queue: activities.OktaQueue, Keys: []string{"a", "b"}}, {Queue: activities.VaultQueue, Keys: []string{"c"}}},
			{{Queue: activities.OktaQueue, Keys: []string{"d"}}},
		},
		suspect: map[string]bool{"b": true}, drifted: map[string]bool{"b": true},
		denied: map[string]bool{activities.VaultQueue: true},
	}
}

// recordChecks looks at what was granted, and does so in rounds.
func recordChecks(ctx context.Context, t *testing.T, c client.Client, e *estate) {
	for _, queue := range []string{activities.OktaQueue, activities.VaultQueue} {
		w := worker.New(c, queue, worker.Options{DisableWorkflowWorker: true})
		e.register(w, time.Now)
		require.NoError(t, w.Start())
		defer w.Stop()
	}
	check, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: activities.CheckID(uuid.NewString()), TaskQueue: activities.MainQueue},
		activities.CheckWorkflow, activities.CheckInput{})
	require.NoError(t, err)
	require.NoError(t, check.Get(ctx, nil))
	save(ctx, t, c, "access-check", check.GetID())

	every := activities.RoundsInput{ID: uuid.NewString(), Check: &activities.CheckInput{}, Every: 2 * time.Second}
	rounds, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: every.ID, TaskQueue: activities.MainQueue}, activities.RoundsWorkflow, every)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return size(ctx, t, c, rounds.GetID()) > 30 }, time.Minute, 100*time.Millisecond)
	require.NoError(t, c.CancelWorkflow(ctx, rounds.GetID(), ""))
	require.Error(t, rounds.Get(ctx, nil))
	save(ctx, t, c, "access-rounds", rounds.GetID())
}

func recordBranches(ctx context.Context, t *testing.T, c client.Client) {
	save(ctx, t, c, "switch-onerror", start(ctx, t, c, runOf(plan.DAG,
		switchStep("size", sizes...),
		in("size", "large", gateStep("g", byApprover)),
		in("size", "small", plan.Step{ID: "a", Action: "test:fail", OnError: plan.Continue}),
		in("size", "small", switchStep("inner", sizes[2:]...)),
		in("inner", "other", plan.Step{ID: "b", Local: true}),
		plan.Step{ID: "c", Needs: []string{"size", "g", "a", "inner", "b"}}), nil))
}

func recordLoops(ctx context.Context, t *testing.T, c client.Client, w *world) {
	for execution, what := range map[plan.Execution]string{plan.DAG: "each-dag", plan.Sequential: "each-sequential"} {
		id := start(ctx, t, c, runOf(execution, long("a", 300), plan.Step{ID: "b", Needs: []string{"a"}, Workspace: plan.Reads}), nil)
		save(ctx, t, c, what, id)
		save(ctx, t, c, what+"-part", id+"/a/each/250")
	}
	a := long("a", 300)
	a.Action = "test:at"
	id := start(ctx, t, c, undoing(plan.Sequential, a), nil)
	save(ctx, t, c, "each-undone", id)
	save(ctx, t, c, "each-undone-part", id+"/a/each/250")
	save(ctx, t, c, "each-undone-part-undo", id+"/a/each/250/undo")

	granted := leased("a", 24*time.Hour)
	granted.Each = json.RawMessage(`255`)
	id = start(ctx, t, c, undoing(plan.DAG, granted, plan.Step{ID: "b", Action: "test:fail", Needs: []string{"a"}}), nil)
	save(ctx, t, c, "each-leased-part", id+"/a/each/250")
	save(ctx, t, c, "each-leased-part-undo", id+"/a/each/250/undo")
	save(ctx, t, c, "each-leased-revoked", "lease/"+id+"/a/252")

	stopped := long("stopped", 1000)
	stopped.Action = "test:cancel"
	save(ctx, t, c, "each-cancelled", start(ctx, t, c, undoing(plan.DAG, stopped), nil))
	done, undone := takenBack(w, "test:cancel", "stopped")
	require.NotEmpty(t, done)
	require.Less(t, len(done), 1000)
	require.ElementsMatch(t, done, undone)

	// Not kept: it is large.
	huge := long("huge", 10000)
	huge.Concurrency = 40
	id = start(ctx, t, c, runOf(plan.DAG, huge), nil)
	done, _ = takenBack(w, "test:do", "huge")
	require.Len(t, done, 10000)
	require.Less(t, size(ctx, t, c, id), 2000)
	require.Less(t, size(ctx, t, c, id+"/huge/each/0"), 5000)
}

// size is how many events a history has. Its bytes are only told.
func size(ctx context.Context, t *testing.T, c client.Client, id string) int {
	described, err := c.DescribeWorkflowExecution(ctx, id, "")
	require.NoError(t, err)
	info := described.GetWorkflowExecutionInfo()
	t.Logf("%s: %d events, %d bytes", id, info.GetHistoryLength(), info.GetHistorySizeBytes())
	return int(info.GetHistoryLength())
}

// start begins a run, calls atGate when it waits for people, and gives its workflow id at the end.
func start(ctx context.Context, t *testing.T, c client.Client, in plan.Run, atGate func(id string)) string {
	in.Task = uuid.NewString()
	var run client.WorkflowRun
	require.Eventually(t, func() (started bool) { // a new search attribute is not known everywhere at once
		var err error
		run, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: in.Task, TaskQueue: activities.MainQueue}, "sample", in)
		return err == nil
	}, time.Minute, time.Second)
	if atGate != nil {
		require.Eventually(t, func() bool {
			var s workflows.State
			answer, err := c.QueryWorkflow(ctx, in.Task, "", activities.StateQuery)
			return err == nil && answer.Get(&s) == nil && s.Phase == "waiting"
		}, time.Minute, 100*time.Millisecond)
		atGate(in.Task)
	}
	_ = run.Get(ctx, nil) // how it ends is part of the history
	return in.Task
}

func save(ctx context.Context, t *testing.T, c client.Client, what, id string) {
	require.NoError(t, ctx.Err())
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		history.Events = append(history.Events, event)
	}
	raw, err := protojson.MarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	folder := filepath.Join("testdata", "histories", *release)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, what+".json"), append(raw, '\n'), 0o644))
}

func addSearchAttributes(ctx context.Context, t *testing.T, c client.Client) {
	wanted := map[string]enums.IndexedValueType{
		"GildwayTemplate": enums.INDEXED_VALUE_TYPE_KEYWORD, "GildwayRequester": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"GildwayOwner": enums.INDEXED_VALUE_TYPE_KEYWORD, "GildwayPhase": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"GildwayApprovers": enums.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	}
	there, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: client.DefaultNamespace})
	require.NoError(t, err)
	for known := range there.GetCustomAttributes() {
		delete(wanted, known)
	}
	if len(wanted) == 0 {
		return
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: client.DefaultNamespace, SearchAttributes: wanted,
	})
	require.NoError(t, err)
}
