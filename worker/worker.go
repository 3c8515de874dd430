// Package worker puts a Temporal worker together: the actions with their providers, a task queue for
// each provider, and what the activities write to.
package worker

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:// workspaces

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/activities/lease"
	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/workflows"
)

// queues are the task queues beside the main one, with how many activities a second all workers
// together may start on each: well within what the provider allows (GitHub: some 80 requests that
// create content a minute), so that its limit is met before it hits.
var queues = map[string]float64{
	activities.GitHubQueue:  1,
	activities.OktaQueue:    10,
	activities.VaultQueue:   50,
	activities.ITSMQueue:    5,
	activities.CatalogQueue: 20,
}

// stopTimeout is how long activities may go on after the worker was told to stop.
const stopTimeout = 10 * time.Second

// beatEvery is the longest that a heartbeat is held back: well below the time after which the run workflow
// takes a silent worker for dead, so that a busy machine isn't one.
const beatEvery = 5 * time.Second

// Run works until the context ends, then lets running activities finish.
func Run(ctx context.Context, c config.Config, golden fs.FS, logger *slog.Logger) error {
	verifier, err := identity.OpenStatementVerifier(c.Approvals.VerifyKey)
	if err != nil {
		return fmt.Errorf("approvals.verifyKey: %w", err)
	}
	db, err := store.Open(ctx, c.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer db.Close()
	blobs, err := blob.OpenBucket(ctx, c.Workspace.URL)
	if err != nil {
		return fmt.Errorf("the workspace: %w", err)
	}
	defer blobs.Close()
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace, Logger: log.NewStructuredLogger(logger),
	})
	if err != nil {
		return fmt.Errorf("connecting to Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	registry := RegistryOf(c, golden, fetch.NewKept(db), rollbacks{temporal})
	if err := registry.Check(); err != nil {
		return fmt.Errorf("the actions are not complete: %w", err)
	}

	kept := TaskSecrets(c)
	runs := RunOptions(c, registry, logger)
	runs.Journal, runs.Blobs, runs.Secrets, runs.Access = journal{Journal{db}, kept}, blobs, kept, accessBook{db, Directory(c)}
	runner := run.New(runs)
	gate := &approval.Gate{
		Approvals: gateBook{db}, Notifier: db, Directory: Directory(c), Verifier: verifier, Journal: db, PublicURL: c.PublicURL, Log: logger,
		Forecaster: forecaster{db, dryrun.New(dryrun.Options{Runs: RunOptions(c, registry, logger)})},
	}
	keeper := &lease.Keeper{
		Directory: Directory(c), Verifier: verifier, Journal: db, Notifier: db, Reviews: reviewBook{db}, PublicURL: c.PublicURL, Log: logger,
	}
	fatal := make(chan error, 1)
	died := func(err error) {
		select {
		case fatal <- err:
		default: // one is enough to end
		}
	}
	options := worker.Options{WorkerStopTimeout: stopTimeout, MaxHeartbeatThrottleInterval: beatEvery, OnFatalError: died}
	workers := []worker.Worker{mainWorker(temporal, options, runner, gate, leaseBook{db, logger}, keeper)}
	options.DisableWorkflowWorker = true
	for queue, rate := range queues {
		options.TaskQueueActivitiesPerSecond = rate
		w := worker.New(temporal, queue, options)
		runner.Register(w, queue)
		workers = append(workers, w)
	}
	return work(ctx, workers, fatal)
}

// cachedRuns bounds the runs that a worker holds in memory, each with about 100 KiB. One that waits for people longer than
// that is replayed when somebody decides, which takes milliseconds.
const cachedRuns = 1000

// mainWorker runs the workflows, their local activities, and whatever has no provider.
func mainWorker(temporal client.Client, options worker.Options, runner *run.Runner, gate *approval.Gate, leases leaseBook, keeper *lease.Keeper) worker.Worker {
	worker.SetStickyWorkflowCacheSize(cachedRuns)
	w := worker.New(temporal, activities.MainQueue, options)
	workflows.Register(w)
	runner.Register(w, activities.MainQueue)
	for _, a := range gate.Activities() {
		w.RegisterActivityWithOptions(a.Func, activity.RegisterOptions{Name: a.Name})
	}
	w.RegisterActivityWithOptions(leases.open, activity.RegisterOptions{Name: activities.OpenLeaseActivity})
	w.RegisterActivityWithOptions(leases.close, activity.RegisterOptions{Name: activities.CloseLeaseActivity})
	w.RegisterActivityWithOptions(leases.renewed, activity.RegisterOptions{Name: activities.RenewedActivity})
	w.RegisterActivityWithOptions(keeper.Remind, activity.RegisterOptions{Name: activities.RemindLeaseActivity})
	w.RegisterActivityWithOptions(keeper.Verify, activity.RegisterOptions{Name: activities.VerifyRenewalActivity})
	w.RegisterActivityWithOptions(keeper.ReviewedOwners, activity.RegisterOptions{Name: activities.ReviewedOwnersActivity})
	w.RegisterActivityWithOptions(keeper.OpenReview, activity.RegisterOptions{Name: activities.OpenReviewActivity})
	w.RegisterActivityWithOptions(keeper.RemindReview, activity.RegisterOptions{Name: activities.RemindReviewActivity})
	w.RegisterActivityWithOptions(keeper.DecideReview, activity.RegisterOptions{Name: activities.DecideReviewActivity})
	w.RegisterActivityWithOptions(keeper.CloseReview, activity.RegisterOptions{Name: activities.CloseReviewActivity})
	return w
}

// work ends with an error as soon as one of the workers has given up: a process that serves only some of the
// queues looks alive and isn't.
func work(ctx context.Context, workers []worker.Worker, fatal <-chan error) error {
	started := make([]worker.Worker, 0, len(workers))
	defer func() {
		for _, w := range started {
			w.Stop()
		}
	}()
	for _, w := range workers {
		if err := w.Start(); err != nil {
			return fmt.Errorf("starting a worker: %w", err)
		}
		started = append(started, w)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-fatal:
		return fmt.Errorf("a worker gave up: %w", err)
	}
}
