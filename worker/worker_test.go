package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"
)

// lively is a worker that only starts and stops.
type lively struct {
	worker.Worker
	running bool
}

func (l *lively) Start() error { l.running = true; return nil }
func (l *lively) Stop()        { l.running = false }

func TestWork_OneGivesUp_AllStopWithItsError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	gone := errors.New("the namespace is gone")
	fatal := make(chan error, 1)
	fatal <- gone
	a, b := &lively{}, &lively{}
	require.ErrorIs(t, work(ctx, []worker.Worker{a, b}, fatal), gone)
	require.False(t, a.running || b.running)
}

func TestWork_Stopped_IsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, work(ctx, []worker.Worker{&lively{}}, nil))
}
