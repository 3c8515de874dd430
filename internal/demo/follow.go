package demo

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/client"
)

// lines prints whole lines from several runs at once.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) print(path, mark, step, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "   %-28s %s %-20s %s\n", path, mark, step, text)
}

var marks = map[string]string{"completed": "✓", "failed": "✗", "skipped": "–"}

// follow prints a line for each step that ended, and calls atGate when the approval step begins.
func follow(ctx context.Context, c *client.Client, task, path string, out *lines, atGate func() error) error {
	began := map[string]time.Time{}
	decided := make(chan error, 1)
	waiting := false
	end, err := c.Watch(ctx, task, func(e client.Event) {
		step := e.Body.StepID
		switch e.Body.Status {
		case "processing":
			began[step] = e.CreatedAt
			if step == "approval" && atGate != nil && !waiting {
				waiting = true
				go func() { decided <- atGate() }()
			}
		case "completed", "failed", "skipped":
			text := e.Body.Message
			if from, ok := began[step]; ok && e.Body.Status == "completed" {
				text = e.CreatedAt.Sub(from).Round(time.Millisecond).String()
			}
			if step != "" {
				out.print(path, marks[e.Body.Status], step, text)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("following %s: %w", path, err)
	}
	if waiting {
		if err := <-decided; err != nil {
			return err
		}
	}
	if end.Body.Error != nil {
		return fmt.Errorf("%s failed: %s", path, end.Body.Error.Message)
	}
	return nil
}

// approve says yes as soon as the gate is open.
func approve(ctx context.Context, c *client.Client, task string, out *lines) error {
	for {
		waiting, err := c.Approvals(ctx, task, "pending")
		if err != nil {
			return fmt.Errorf("listing approvals: %w", err)
		}
		if len(waiting) > 0 {
			gate := waiting[0]
			out.print(accessPath, "?", gate.Step, fmt.Sprintf("waits for %v: %s", gate.Approvers, gate.Reason))
			if err := c.Decide(ctx, gate.ID, "approve", "within this quarter's budget"); err != nil {
				return fmt.Errorf("approving: %w", err)
			}
			out.print(accessPath, "!", gate.Step, "approved by the approver")
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
