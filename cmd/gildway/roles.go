package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/api"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

func serverCommand() *cobra.Command {
	return roleCommand(config.Server, "The HTTP API", serveAPI)
}

func workerCommand() *cobra.Command {
	return roleCommand(config.Worker, "A worker that executes runs", func(ctx context.Context, c config.Config, logger *slog.Logger) error {
		return worker.Run(ctx, c, goldenFolders(), logger)
	})
}

func roleCommand(role config.Role, short string, run func(context.Context, config.Config, *slog.Logger) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     string(role),
		GroupID: "run",
		Short:   short,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(cmp.Or(file, os.Getenv("GILDWAY_CONFIG")), role, os.LookupEnv, os.Environ())
			if err != nil {
				return err
			}
			return run(cmd.Context(), c, newLogger(cmd.ErrOrStderr()))
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file, e.g. gildway.yaml (or GILDWAY_CONFIG)")
	return cmd
}

func goldenFolders() fs.FS { return templates.Golden() }

// compilerActions are the actions that templates may use, as the compiler needs them.
func compilerActions(infos []plan.Action) templates.Actions {
	actions := templates.Actions{}
	for _, info := range infos {
		actions[info.ID] = info
	}
	return actions
}

func serveAPI(ctx context.Context, c config.Config, logger *slog.Logger) error {
	signer, err := identity.OpenSigner(c.Approvals.SigningKey)
	if err != nil {
		return fmt.Errorf("approvals.signingKey: %w", err)
	}
	verifier, err := tokenVerifier(ctx, c)
	if err != nil {
		return err
	}
	policy, err := c.Auth.Rules()
	if err != nil {
		return fmt.Errorf("auth.policy: %w", err)
	}
	db, err := store.Open(ctx, c.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer db.Close()
	registry := worker.RegistryOf(c, goldenFolders(), fetch.NewKept(db), nil)
	infos := registry.Infos()
	directory := worker.Directory(c)
	library, err := templatesource.Open(ctx, templatesource.Options{
		Store: db, Sources: templateSources(c, directory), Actions: compilerActions(infos), Every: c.Templates.Refresh, Log: logger,
	})
	if err != nil {
		return fmt.Errorf("the templates: %w", err)
	}
	// Lazy: what is accepted while Temporal is away starts when it is back.
	temporal, err := client.NewLazyClient(client.Options{
		HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace, Logger: log.NewStructuredLogger(logger),
	})
	if err != nil {
		return fmt.Errorf("connecting to Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	wakeups := db.NewListener(logger)
	listening, stopListening := context.WithCancel(context.WithoutCancel(ctx)) // for the streams that outlive a request to stop
	defer stopListening()
	go wakeups.Run(listening)
	go library.Run(ctx)

	engine := api.NewTemporalEngine(temporal)
	tries := worker.RunOptions(c, registry, logger)
	tries.Look = engine.Look
	bare := c.WithoutCredentials()
	uploads := worker.RunOptions(bare, worker.Registry(bare, goldenFolders()), logger)
	server, err := api.New(api.Config{
		Store: db, Events: wakeups, Templates: library, Actions: infos,
		Engine: engine, Directory: directory, Keys: worker.Handover(c), Signer: signer,
		Tokens: verifier, OpenDoors: c.Auth.DangerouslyDisableSignIn, Policy: policy,
		Entities: directory, Secrets: worker.TaskSecrets(c), Log: logger,
		Limits: api.Limits{
			Quotas: c.Limits.Quotas, DryRuns: c.Limits.DryRuns.AtOnce, DryRunsPerCaller: c.Limits.DryRuns.PerUser, Schedules: c.Limits.Schedules.Most(),
		},
		RunLink: c.Temporal.RunLink(), Rounds: rounds(c), PublicURL: c.PublicURL, Links: c.Approvals.Links,
		Origins: c.CORS.Origins, Notice: c.Notice(), Suggest: map[string]api.Suggester{"github": worker.Suggester(c)},
		DryRuns: dryrun.New(dryrun.Options{Runs: tries}), Uploads: dryrun.New(dryrun.Options{Runs: uploads}),
	})
	if err != nil {
		return err
	}
	sender, err := worker.Sender(ctx, c, db, server.PersonalLink, logger)
	if err != nil {
		return fmt.Errorf("the notifications: %w", err)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", c.Listen, err)
	}
	go server.Listen(ctx, temporal)
	var telling sync.WaitGroup
	telling.Go(func() { sender.Run(ctx) })
	defer telling.Wait()
	logger.Info("the API is up", "listen", c.Listen, "templates", len(library.List()))
	return server.Serve(ctx, listener)
}

// rounds are what is done again and again.
func rounds(c config.Config) []activities.RoundsInput {
	reviews, within := c.Access.Reviews()
	return []activities.RoundsInput{
		{ID: activities.CheckRounds, Check: &activities.CheckInput{}, Every: c.Access.Checks()},
		{ID: activities.ReviewRounds, Review: &activities.ReviewRound{Within: within}, Every: reviews},
	}
}

// templateSources are the sources of templates, in the order in which they count.
func templateSources(c config.Config, directory *catalog.Client) (sources []templatesource.Source) {
	if c.Templates.Golden {
		sources = append(sources, templatesource.Golden(goldenFolders()))
	}
	hosts := worker.Sources(c)
	for _, s := range c.Templates.Sources {
		switch {
		case s.Folder != "":
			sources = append(sources, templatesource.Folder(s.Folder))
		case s.URL != "":
			sources = append(sources, templatesource.Repository(s.URL, hosts))
		default:
			sources = append(sources, templatesource.Backstage(directory, hosts))
		}
	}
	return sources
}

// tokenVerifier checks the tokens of whom the configuration trusts; there is none where nobody signs in.
func tokenVerifier(ctx context.Context, c config.Config) (api.Tokens, error) {
	if c.Auth.DangerouslyDisableSignIn {
		return nil, nil
	}
	trust, err := c.Auth.Trust(worker.VaultField(ctx, c))
	if err != nil {
		return nil, err
	}
	return identity.NewVerifier(&http.Client{Timeout: 10 * time.Second}, trust)
}
