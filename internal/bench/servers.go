package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/gildway/gildway/api"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dev"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/internal/stack"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

// installation is a Gildway on servers of its own, whose worker runs in this process, as the floor's does.
type installation struct {
	db       *store.Store
	temporal client.Client
	engine   *api.TemporalEngine
}

// install starts everything, lets `use` work with it, and stops what it started.
func install(ctx context.Context, out io.Writer, use func(context.Context, *installation) error) (err error) {
	dir, err := os.MkdirTemp("", "gildway-bench-")
	if err != nil {
		return fmt.Errorf("a folder for the servers' state: %w", err)
	}
	defer os.RemoveAll(dir)
	servers, err := stack.Start(ctx, stack.Options{
		StateDir: dir, SearchAttributes: dev.SearchAttributes,
		Progress: func(p stack.Progress) { fmt.Fprintln(out, "  ", p) },
	})
	if err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, servers.Stop(stopping))
	}()
	key, err := verifyKey(dir)
	if err != nil {
		return err
	}
	c := config.Config{
		Database:  config.Database{URL: secrets.New(servers.PostgresURL)},
		Temporal:  config.Temporal{Address: servers.TemporalAddress, Namespace: servers.TemporalNamespace},
		Workspace: config.Workspace{URL: "file://" + filepath.ToSlash(filepath.Join(dir, "workspace")) + "?create_dir=true&no_tmp_dir=true"},
		Approvals: config.Approvals{VerifyKey: key},
	}
	return work(ctx, c, use)
}

// work runs both workers for as long as `use` takes.
func work(ctx context.Context, c config.Config, use func(context.Context, *installation) error) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	db, err := store.Open(ctx, c.Database.URL.Reveal())
	if err != nil {
		return err
	}
	defer db.Close()
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace, Logger: log.NewStructuredLogger(logger),
	})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	defer temporal.Close()
	floors := newFloorWorker(temporal)
	if err := floors.Start(); err != nil {
		return fmt.Errorf("starting the floor's worker: %w", err)
	}
	defer floors.Stop()

	ctx, stop := context.WithCancel(ctx)
	worked := make(chan error, 1)
	go func() {
		err := worker.Run(ctx, c, templates.Golden(), logger)
		stop() // whoever waits for a run must not wait for ever
		worked <- err
	}()
	err = use(ctx, &installation{db: db, temporal: temporal, engine: api.NewTemporalEngine(temporal)})
	stop()
	return errors.Join(err, <-worked)
}

// verifyKey makes the public half of a decision key; nothing here is ever decided.
func verifyKey(dir string) (file string, err error) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "decisions.pub")
	return file, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

// run accepts a task as the API does, starts it and waits for its end.
func (i *installation) run(ctx context.Context, p *plan.Plan) error {
	run := plan.Run{
		Task: uuid.NewString(), Plan: *p, Values: json.RawMessage(`{}`),
		Requester: plan.Person{Ref: "user:default/bench"}, Submitted: time.Now().UTC(),
	}
	raw, err := json.Marshal(run)
	if err != nil {
		return err
	}
	_, err = i.db.CreateTask(ctx, store.NewTask{
		ID: run.Task, TemplateRef: p.Template.Ref, TemplateDigest: p.Template.Digest, Spec: json.RawMessage(`{}`),
		Run: raw, Digest: run.Digest(), CreatedBy: run.Requester.Ref,
	})
	if err != nil {
		return err
	}
	if err := i.engine.Start(ctx, run); err != nil {
		return err
	}
	return i.temporal.GetWorkflow(ctx, run.Task, "").Get(ctx, nil)
}
