package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/sandbox"
)

// OpenSandbox opens the provider doubles of a stack; clients reach them at baseURL.
func OpenSandbox(stateDir, baseURL string, log *slog.Logger) (*sandbox.Sandbox, error) {
	creds, err := loadCredentials(stateDir)
	if err != nil {
		return nil, err
	}
	return sandbox.Open(sandbox.Options{
		Dir: filepath.Join(stateDir, "sandbox"), BaseURL: baseURL, IssuerDir: issuerDir(stateDir), Log: log,
		Tokens: sandbox.Tokens{
			GitHub: creds.GitHub, Okta: creds.Okta, Catalog: creds.Catalog,
			ServiceNowUser: serviceNowUser, ServiceNowPassword: creds.ServiceNow,
		},
	})
}

// enrol brings somebody into the running sandbox's directory, as a sync from the identity provider would.
func enrol(ctx context.Context, stateDir, sandboxURL string, who person) error {
	creds, err := loadCredentials(stateDir)
	if err != nil {
		return err
	}
	ref, err := plan.ParseEntityRef(who.ref, "user")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"groups": who.groups})
	if err != nil {
		return err
	}
	address := sandboxURL + "/api/catalog/_sandbox/people/" + url.PathEscape(ref.Name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+creds.Catalog)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the stack's directory does not answer; is the stack running? %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the stack's directory refuses %s: %s", who.ref, answer.Status)
	}
	return nil
}
