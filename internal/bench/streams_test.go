package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/api"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// talker runs a task by saying something about it.
type talker struct {
	api.Engine // starts runs and nothing else

	db    *store.Store
	group errgroup.Group
}

func (*talker) Lost(context.Context, string, int) (string, error) { return "", nil }

func (e *talker) Start(_ context.Context, run plan.Run) error {
	e.group.Go(func() error {
		for n := range 10 {
			if err := e.db.Log(context.Background(), run.Task, fmt.Sprint(n), "s0", "", "line"); err != nil {
				return err
			}
		}
		return e.db.Complete(context.Background(), run.Task, run.Attempt, store.StatusCompleted, "", nil, nil)
	})
	return nil
}

// The small form of what `make load` does with real runs.
func TestCrowd_NoEventLostOrRepeated_MemoryBounded(t *testing.T) {
	db, err := store.Open(t.Context(), pgtest.URL(t)) // not parallel: it measures memory
	require.NoError(t, err)
	t.Cleanup(db.Close)
	actions := templates.Actions{}
	for _, info := range worker.Registry(config.Config{}, templates.Golden()).Infos() {
		actions[info.ID] = info
	}
	engine := &talker{db: db}
	r, err := crowd{streams: 300, submissions: 40, events: 200}.meet(t.Context(), db, engine, actions)
	require.NoError(t, err)
	require.NoError(t, engine.group.Wait())
	require.Equal(t, 300, r.streams)
	require.Len(t, r.accepted, 40)
	require.Equal(t, 40*11+300*2+streamsAPage*(200+50), r.eventsToRead)
	require.Less(t, r.memory, int64(100<<10))
	require.Less(t, percentile(r.quiet, 50), 2*time.Second)
	for _, row := range r.rows() {
		t.Log(row.what, row.measured)
	}
}
