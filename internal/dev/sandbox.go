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
	"github.com/gildway/gildway/internal/templatesource"
	"github.com/gildway/gildway/templates"
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
			Slack: creds.Slack, MailUser: mailUser, MailPassword: creds.Mail,
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
	err = put(ctx, sandboxURL+"/api/catalog/_sandbox/people/"+url.PathEscape(ref.Name), creds.Catalog, map[string]any{"groups": who.groups})
	if err != nil {
		return fmt.Errorf("the stack's directory does not take %s: %w", who.ref, err)
	}
	return nil
}

// listTemplates shows the golden paths in the sandbox's catalog: a frontend lists what is there.
func listTemplates(ctx context.Context, sandboxURL, token string) error {
	golden, err := templates.GoldenPaths()
	if err != nil {
		return fmt.Errorf("the golden paths: %w", err)
	}
	entities := make([]json.RawMessage, 0, len(golden))
	for _, t := range golden {
		entity, err := t.Listing(map[string]string{templatesource.ListedOnly: "true"})
		if err != nil {
			return fmt.Errorf("%s can't be listed: %w", t.Ref, err)
		}
		entities = append(entities, entity)
	}
	if err := put(ctx, sandboxURL+"/api/catalog/_sandbox/entities", token, entities); err != nil {
		return fmt.Errorf("the stack's catalog does not take the golden paths: %w", err)
	}
	return nil
}

func put(ctx context.Context, address, token string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("it does not answer; is the stack running? %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}
