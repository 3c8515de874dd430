package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	vaultpolicy "github.com/gildway/gildway/deploy/vault"
	"github.com/gildway/gildway/internal/stack"
)

// Options describe a stack.
type Options struct {
	StateDir  string
	AutoPorts bool   // free ports instead of the well-known ones
	Postgres  string // URL of a server to use instead of starting one
	Program   string // the gildway binary that sandbox, API and worker run
	Progress  func(stack.Progress)
	Log       *slog.Logger
}

// Stack is a running Gildway with everything it stands on.
type Stack struct {
	Endpoints Endpoints
	servers   *stack.Stack
	stateDir  string
}

// SearchAttributes are those that runs are found by.
var SearchAttributes = map[string]string{
	"GildwayTemplate":  "Keyword",
	"GildwayRequester": "Keyword",
	"GildwayOwner":     "Keyword",
	"GildwayPhase":     "Keyword",
	"GildwayApprovers": "KeywordList",
}

// Start brings everything up. It returns when all of it answers and endpoints.json is written; on an
// error what was started is stopped.
func Start(ctx context.Context, o Options) (*Stack, error) {
	dir, err := filepath.Abs(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("the state folder: %w", err)
	}
	ports := stack.DefaultPorts()
	if o.AutoPorts {
		ports = stack.Ports{}
	}
	servers, err := stack.Start(ctx, stack.Options{
		StateDir: dir, Ports: ports, PostgresURL: o.Postgres, Progress: o.Progress, Log: o.Log,
		SearchAttributes: SearchAttributes, VaultSetup: vaultSetup(), Announcement: endpointsFile,
	})
	if err != nil {
		return nil, err
	}
	s := &Stack{servers: servers, stateDir: dir}
	if err := s.startGildway(ctx, o.Program); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stopping))
	}
	return s, nil
}

const stopWithin = 30 * time.Second

// Wait returns when the context of Start is done, or with an error when something has died for good.
func (s *Stack) Wait() error { return s.servers.Wait() }

// Stop stops everything that Start started and nothing else.
func (s *Stack) Stop(ctx context.Context) error { return s.servers.Stop(ctx) }

func (s *Stack) startGildway(ctx context.Context, program string) error {
	creds, err := loadCredentials(s.stateDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.stateDir, workspaceDir), 0o700); err != nil {
		return fmt.Errorf("the workspace: %w", err)
	}
	signing, verify, err := ensureDecisionKey(s.stateDir)
	if err != nil {
		return err
	}
	ports := s.servers.Ports
	sandboxURL := "http://" + local(ports.Sandbox)
	if err := writeJSON(filepath.Join(s.stateDir, stateFile), state{Sandbox: sandboxURL}); err != nil {
		return err
	}
	server, worker, err := writeConfigs(places{
		stateDir: s.stateDir, listen: local(ports.API), sandbox: sandboxURL, smtpPort: ports.SMTP, database: s.servers.PostgresURL,
		temporal: s.servers.TemporalAddress, temporalUI: s.servers.TemporalUI, vault: s.servers.VaultAddress,
		serverVault: s.servers.VaultTokens[vaultpolicy.APIPolicyName], workerVault: s.servers.VaultTokens[vaultpolicy.WorkerPolicyName],
		signingKey: signing, verifyKey: verify,
	}, creds)
	if err != nil {
		return err
	}
	api := "http://" + local(ports.API)
	for _, c := range []struct {
		name  string
		args  []string
		ready func(context.Context) error
	}{
		{"sandbox", []string{"--state-dir", s.stateDir, "--listen", local(ports.Sandbox), "--smtp", local(ports.SMTP)}, stack.ReadyHTTP(sandboxURL + "/healthz")},
		{"server", []string{"--config", server}, stack.ReadyHTTP(api + "/readyz")},
		{"worker", []string{"--config", worker}, pollersReady(s.servers.TemporalAddress)},
	} {
		command := stack.Command{Path: program, Args: append([]string{c.name}, c.args...), Ready: c.ready}
		if _, err := s.servers.Run(c.name, command); err != nil {
			return err
		}
		if c.name == "sandbox" {
			if err := listTemplates(ctx, sandboxURL, creds.Catalog); err != nil {
				return err
			}
		}
	}
	return s.announce(ctx, api, sandboxURL, creds)
}

func (s *Stack) announce(ctx context.Context, api, sandboxURL string, creds credentials) error {
	s.Endpoints = Endpoints{
		API: api, Temporal: s.servers.TemporalAddress, TemporalUI: s.servers.TemporalUI,
		Postgres: s.servers.PostgresURL, Vault: s.servers.VaultAddress, VaultToken: s.servers.VaultRootToken,
		Sandbox: map[string]string{
			"github": sandboxURL + "/github", "okta": sandboxURL + "/okta", "servicenow": sandboxURL + "/servicenow",
			"slack": sandboxURL + "/slack", "smtp": local(s.servers.Ports.SMTP), "mail": sandboxURL + "/mail",
			"catalog": sandboxURL + "/api/catalog", "faults": sandboxURL + "/faults", "issuer": sandboxURL + "/issuer",
		},
		Providers: map[string]string{
			"github": creds.GitHub, "okta": creds.Okta, "servicenow": serviceNowUser + ":" + creds.ServiceNow, "catalog": creds.Catalog,
			"slack": creds.Slack, "smtp": mailUser + ":" + creds.Mail,
		},
		Tokens: map[string]string{},
	}
	for _, role := range Roles {
		token, err := Token(ctx, s.stateDir, role, "", nil)
		if err != nil {
			return err
		}
		s.Endpoints.Tokens[role] = token
	}
	return writeJSON(filepath.Join(s.stateDir, endpointsFile), s.Endpoints)
}

const loopback = "127.0.0.1"

func local(port int) string { return loopback + ":" + strconv.Itoa(port) }

func vaultSetup() stack.VaultSetup {
	setup := stack.VaultSetup{Policies: vaultpolicy.Policies(), Tokens: map[string][]string{}}
	for _, mount := range vaultpolicy.Mounts() {
		setup.Mounts = append(setup.Mounts, stack.VaultMount{Path: mount, Type: "kv", Options: map[string]string{"version": "2"}})
	}
	for name := range setup.Policies {
		setup.Tokens[name] = []string{name}
	}
	return setup
}
