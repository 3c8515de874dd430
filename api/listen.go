package api

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/gildway/gildway/activities"
)

// Listen answers runs and schedules that ask for tasks until ctx ends. While Temporal is away it tries again. Accepting is the API's
// alone, because the rules are: a worker knows neither them nor the templates.
func (s *Server) Listen(ctx context.Context, c client.Client) {
	for {
		err := s.listen(ctx, c)
		if ctx.Err() != nil {
			return
		}
		s.Log.Warn("runs can't ask for tasks yet", "error", err, "again", reconcileEvery)
		select {
		case <-ctx.Done():
			return
		case <-time.After(reconcileEvery):
		}
	}
}

func (s *Server) listen(ctx context.Context, c client.Client) error {
	fatal := make(chan error, 1)
	w := worker.New(c, activities.AcceptQueue, worker.Options{
		DisableWorkflowWorker: true, WorkerStopTimeout: goodbye,
		OnFatalError: func(err error) {
			select {
			case fatal <- err:
			default: // one is enough to end
			}
		},
	})
	w.RegisterActivityWithOptions(s.Accept, activity.RegisterOptions{Name: activities.AcceptActivity})
	w.RegisterActivityWithOptions(s.Fire, activity.RegisterOptions{Name: activities.FireActivity})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-fatal:
		return err
	}
}
