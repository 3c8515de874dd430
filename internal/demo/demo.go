// Package demo runs the golden paths from request to result on a fresh local stack and then asks every
// provider, from outside, whether what was promised is there.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/dev"
	"github.com/gildway/gildway/internal/stack"
	"golang.org/x/sync/errgroup"
)

// Options say where the demo runs.
type Options struct {
	Program  string // the gildway binary
	Postgres string // URL of a database server to use instead of starting one
	Out      io.Writer
}

const (
	service = "payment-notifier"
	team    = "group:default/payments-team"

	servicePath = "nodejs-microservice"
	accessPath  = "request-llm-gateway-access"
)

var (
	serviceValues = map[string]any{
		"name": service, "owner": team, "description": "Tells customers what became of their payment", "enableAIAssistant": true,
	}
	accessValues = map[string]any{
		"model": "aimodel:default/acme-llm-gateway", "useCase": "Summarise payment disputes for the support desk",
		"team": team, "monthlyTokens": 2_000_000,
	}
)

// Run does the whole demo. It gives an error if anything is not as promised.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "gildway-demo-")
	if err != nil {
		return fmt.Errorf("a folder for the demo's state: %w", err)
	}
	defer stack.Remove(dir)
	say(o.Out, "A fresh local stack in %s", dir)
	local, err := dev.Start(ctx, dev.Options{
		StateDir: dir, AutoPorts: true, Postgres: o.Postgres, Program: o.Program,
		Progress: func(p stack.Progress) { fmt.Fprintln(o.Out, "  ", p) },
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "   API %s, Temporal UI %s\n", local.Endpoints.API, local.Endpoints.TemporalUI)
	err = play(ctx, local.Endpoints, o.Out)
	say(o.Out, "Stopping the stack")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := errors.Join(err, local.Stop(stopping)); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nAll as promised, in %s. To look around: make dev\n", time.Since(began).Round(time.Second))
	return nil
}

func say(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "\n── %s\n", fmt.Sprintf(format, args...))
}

// runs are the two tasks of the demo.
type runs struct{ service, access string }

func play(ctx context.Context, e dev.Endpoints, out io.Writer) error {
	requester := client.New(e.API, e.Tokens["requester"])
	approver := client.New(e.API, e.Tokens["approver"])

	say(out, "The requester submits both golden paths")
	var r runs
	var err error
	if r.service, err = submit(ctx, requester, out, servicePath, serviceValues); err != nil {
		return err
	}
	if r.access, err = submit(ctx, requester, out, accessPath, accessValues); err != nil {
		return err
	}

	say(out, "Live, a line a step")
	lines := &lines{out: out}
	group, watching := errgroup.WithContext(ctx)
	group.Go(func() error { return follow(watching, requester, r.service, servicePath, lines, nil) })
	group.Go(func() error {
		return follow(watching, requester, r.access, accessPath, lines, func() error {
			return approve(watching, approver, r.access, lines)
		})
	})
	if err := group.Wait(); err != nil {
		return err
	}

	for _, p := range []struct{ path, task string }{{servicePath, r.service}, {accessPath, r.access}} {
		graph, err := requester.Graph(ctx, p.task)
		if err != nil {
			return err
		}
		say(out, "%s: who waited for whom, and how long each step took", p.path)
		draw(out, graph)
	}

	say(out, "Asking the providers")
	return verify(ctx, e, r, out)
}

func submit(ctx context.Context, c *client.Client, out io.Writer, template string, values map[string]any) (string, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return "", err
	}
	id, err := c.SubmitTask(ctx, "template:default/"+template, raw)
	if err != nil {
		return "", fmt.Errorf("submitting %s: %w", template, err)
	}
	fmt.Fprintf(out, "   %-28s task %s\n", template, id)
	return id, nil
}
