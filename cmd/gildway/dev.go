package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/gildway/gildway/internal/dev"
	"github.com/gildway/gildway/internal/stack"
	"github.com/spf13/cobra"
)

func devCommand() *cobra.Command {
	var stateDir, ports, postgres string
	cmd := &cobra.Command{
		Use:     "dev",
		GroupID: "run",
		Short:   "The local stack, in the foreground, until Ctrl-C",
		Long: `Starts Postgres, Temporal with its UI, Vault, the provider sandbox, the API and a worker, and keeps them
running until Ctrl-C. A server binary is taken from PATH if its version fits, else from the user's
cache, else built into it. State survives a restart.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := devOptions(cmd, stateDir, ports, postgres)
			if err != nil {
				return err
			}
			s, err := dev.Start(cmd.Context(), options)
			if err != nil {
				return err
			}
			printEndpoints(cmd, options.StateDir, s.Endpoints)
			waited := s.Wait()
			fmt.Fprintln(cmd.OutOrStdout(), "stopping")
			stopping, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), time.Minute)
			defer cancel()
			if err := s.Stop(stopping); err != nil {
				return err
			}
			return waited
		},
	}
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "where the stack keeps its state (default: the user's state folder)")
	cmd.Flags().StringVar(&ports, "ports", "default", "default, or auto for free ones")
	cmd.Flags().StringVar(&postgres, "postgres", "", "URL of a Postgres server to use instead of starting one")
	cmd.AddCommand(&cobra.Command{
		Use:   "prepare",
		Short: "Find, install or build what the local stack needs, and start nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return stack.Prepare(cmd.Context(), showProgress(cmd))
		},
	})
	return cmd
}

func devOptions(cmd *cobra.Command, stateDir, ports, postgres string) (dev.Options, error) {
	if ports != "default" && ports != "auto" {
		return dev.Options{}, misused("--ports is %q; write default or auto", ports)
	}
	if stateDir == "" {
		var err error
		if stateDir, err = dev.DefaultStateDir(); err != nil {
			return dev.Options{}, err
		}
	}
	stateDir, err := filepath.Abs(stateDir)
	if err != nil {
		return dev.Options{}, fmt.Errorf("the state folder: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return dev.Options{}, fmt.Errorf("finding this program: %w", err)
	}
	return dev.Options{
		StateDir: stateDir, AutoPorts: ports == "auto", Postgres: postgres, Program: program,
		Progress: showProgress(cmd), Log: newLogger(cmd.ErrOrStderr()),
	}, nil
}

func showProgress(cmd *cobra.Command) func(stack.Progress) {
	return func(p stack.Progress) { fmt.Fprintln(cmd.OutOrStdout(), p) }
}

func printEndpoints(cmd *cobra.Command, stateDir string, e dev.Endpoints) {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nGildway is up.\n\n  API\t%s\n  Temporal UI\t%s\n  Vault\t%s\n  GitHub (sandbox)\t%s\n  Slack messages\t%s\n  e-mail\t%s\n  state\t%s\n",
		e.API, e.TemporalUI, e.Vault, e.Sandbox["github"], e.Sandbox["slack"]+"/messages", e.Sandbox["mail"], stateDir)
	w.Flush()
	fmt.Fprintf(out, `
In another terminal:

  export GILDWAY_API=%[1]s GILDWAY_TOKEN=$(%[2]s token --as requester --state-dir '%[3]s')
  echo '{"useCase":"Trying it out","team":"group:default/payments-team","monthlyTokens":50000}' |
    %[2]s task submit request-llm-gateway-access --values - --wait

Ctrl-C stops it.
`, e.API, os.Args[0], stateDir)
}

func tokenCommand() *cobra.Command {
	var stateDir, as, ref string
	var groups []string
	cmd := &cobra.Command{
		Use:     "token",
		GroupID: "run",
		Short:   "A token of the local stack's issuer",
		Long: `Prints a token of the local stack's issuer for one of its people. With --ref, somebody else: the
stack's directory then learns of them and of the groups given with --group.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stateDir == "" {
				var err error
				if stateDir, err = dev.DefaultStateDir(); err != nil {
					return err
				}
			}
			token, err := dev.Token(cmd.Context(), stateDir, as, ref, groups)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "the stack's state folder (default: the user's)")
	cmd.Flags().StringVar(&as, "as", "requester", "requester, approver, auditor or admin")
	cmd.Flags().StringVar(&ref, "ref", "", "another user, e.g. user:default/jo")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "a group the user is in, e.g. group:default/payments-team; repeatable")
	return cmd
}

func sandboxCommand() *cobra.Command {
	var stateDir, listen, smtp string
	cmd := &cobra.Command{
		Use:    "sandbox",
		Hidden: true,
		Short:  "The provider doubles of the local stack",
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := newLogger(cmd.ErrOrStderr())
			handler, err := dev.OpenSandbox(stateDir, "http://"+listen, log)
			if err != nil {
				return err
			}
			defer handler.Close()
			letters, err := net.Listen("tcp", smtp)
			if err != nil {
				return fmt.Errorf("listening on %s: %w", smtp, err)
			}
			defer letters.Close()
			go func() {
				if err := handler.ServeMail(letters); err != nil {
					log.Error("the mail server has ended", "error", err)
				}
			}()
			return serveUntilDone(cmd.Context(), listen, handler)
		},
	}
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "the stack's state folder")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:7790", "host:port")
	cmd.Flags().StringVar(&smtp, "smtp", "127.0.0.1:7725", "host:port of the mail server")
	return cmd
}

// serveUntilDone serves a handler until the context ends, then lets running requests finish.
func serveUntilDone(ctx context.Context, listen string, handler http.Handler) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", listen, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(closing)
}
