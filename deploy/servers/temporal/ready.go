package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"
)

// prepare returns when a client can do everything with the namespace: it is
// registered, its search attributes can be written and searched by, every
// history shard answers, and so does the Web UI.
func prepare(ctx context.Context, s settings) error {
	var c client.Client
	if err := until(ctx, "frontend", func() (err error) {
		c, err = client.DialContext(ctx, client.Options{HostPort: s.frontend(), Namespace: s.Namespace, Logger: silent{}})
		return err
	}); err != nil {
		return err
	}
	defer c.Close()
	changed, err := ensureNamespace(ctx, c, s)
	if err != nil {
		return err
	}
	added, err := ensureAttributes(ctx, c, s)
	if err != nil {
		return err
	}
	if err := until(ctx, "search attributes", func() error { return searchable(ctx, c, s) }); err != nil {
		return err
	}
	if changed || added {
		// The frontend knows them now, as the queries show; history and
		// matching refresh their own copies on their own timers and offer no
		// way to ask.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * namespaceRefresh):
		}
	}
	if err := until(ctx, "history shards", func() error { return historyAnswers(ctx, c) }); err != nil {
		return err
	}
	return until(ctx, "web UI", func() error { return uiAnswers(ctx, s) })
}

func ensureNamespace(ctx context.Context, c client.Client, s settings) (created bool, err error) {
	err = until(ctx, "namespace", func() error {
		_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace:                        s.Namespace,
			WorkflowExecutionRetentionPeriod: durationpb.New(time.Duration(s.RetentionDays) * 24 * time.Hour),
		})
		var already *serviceerror.NamespaceAlreadyExists
		if errors.As(err, &already) {
			return nil
		}
		created = err == nil
		return err
	})
	if err != nil {
		return false, err
	}
	return created, until(ctx, "namespace", func() error {
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace})
		return err
	})
}

func ensureAttributes(ctx context.Context, c client.Client, s settings) (added bool, err error) {
	wanted, err := s.attributeTypes()
	if err != nil {
		return false, err
	}
	err = until(ctx, "search attributes", func() error {
		have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.Namespace})
		if err != nil {
			return err
		}
		missing := make(map[string]enumspb.IndexedValueType)
		for name, t := range wanted {
			got, ok := have.GetCustomAttributes()[name]
			if !ok {
				missing[name] = t
			} else if got != t {
				return permanent{fmt.Errorf("search attribute %s is of type %s, not %s", name, got, t)}
			}
		}
		if len(missing) == 0 {
			return nil
		}
		added = true
		_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace: s.Namespace, SearchAttributes: missing,
		})
		return err
	})
	return added, err
}

func searchable(ctx context.Context, c client.Client, s settings) error {
	for name := range s.SearchAttributes {
		if _, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.Namespace, Query: name + " IS NOT NULL",
		}); err != nil {
			return err
		}
	}
	return nil
}

// historyAnswers asks for workflows that don't exist, enough of them to meet
// every shard: "not found" is an answer of the shard's owner.
func historyAnswers(ctx context.Context, c client.Client) error {
	for i := range 8 * historyShards {
		_, err := c.DescribeWorkflowExecution(ctx, "readiness-"+strconv.Itoa(i), "")
		var notFound *serviceerror.NotFound
		if err != nil && !errors.As(err, &notFound) {
			return err
		}
	}
	return nil
}

func uiAnswers(ctx context.Context, s settings) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+hostPort(s.IP, s.UIPort)+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("web UI answers %s", resp.Status)
	}
	return nil
}

// permanent is an error that trying again won't cure.
type permanent struct{ error }

// until calls f until it succeeds, fails for good or ctx is done.
func until(ctx context.Context, what string, f func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if p, ok := err.(permanent); ok {
			return p.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s not ready: %w (last: %w)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// silent keeps the client's notes about a server that is still starting out of the log.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

var _ sdklog.Logger = silent{}
