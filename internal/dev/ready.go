package dev

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/gildway/gildway/activities"
)

// pollersReady says whether a worker has asked Temporal for work since now: Temporal remembers those
// of a stack that was killed.
func pollersReady(address string) func(context.Context) error {
	since := time.Now()
	return func(ctx context.Context) error {
		c, err := client.DialContext(ctx, client.Options{HostPort: address})
		if err != nil {
			return err
		}
		defer c.Close()
		queue, err := c.DescribeTaskQueue(ctx, activities.MainQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil {
			return err
		}
		for _, poller := range queue.GetPollers() {
			if poller.GetLastAccessTime().AsTime().After(since) {
				return nil
			}
		}
		return fmt.Errorf("no worker polls %s yet", activities.MainQueue)
	}
}
