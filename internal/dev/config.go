package dev

import (
	"net/url"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/sandbox/slack"
	"github.com/gildway/gildway/internal/stack"
)

// places are the addresses that the parts of the stack know each other by.
type places struct {
	stateDir                 string
	listen                   string // host:port of the API
	sandbox                  string // base URL
	smtpPort                 int    // of the sandbox's mail server
	database                 string // with its password
	temporal, temporalUI     string // host:port, and the URL of its pages
	vault                    string
	serverVault, workerVault string // tokens bound to each role's policy
	signingKey, verifyKey    string // files
}

// workspace is the URL of a folder that must be there already. Its temporary files stay in it: a rename
// from /tmp would fail where that is another file system, and they are nobody else's business.
func (p places) workspace() string {
	return (&url.URL{Scheme: "file", Path: filepath.Join(p.stateDir, workspaceDir), RawQuery: "no_tmp_dir=true"}).String()
}

const workspaceDir = "workspace"

// writeConfigs writes the configuration of both roles: each holds what its role needs and no more.
func writeConfigs(p places, c credentials) (server, worker string, err error) {
	shared := map[string]any{
		"database": map[string]any{"url": p.database},
		"temporal": map[string]any{"address": p.temporal, "ui": p.temporalUI},
		"catalog":  map[string]any{"url": p.sandbox + "/api/catalog", "token": c.Catalog},
	}
	serverFile := with(shared, map[string]any{
		"listen": p.listen,
		"auth": map[string]any{
			"issuers": []any{map[string]any{
				"url":      p.sandbox + "/issuer",
				"jwks":     p.sandbox + "/issuer/.well-known/jwks.json",
				"audience": audience,
			}},
			"roles": map[string]any{"admin": people["admin"].groups, "auditor": people["auditor"].groups},
		},
		"publicUrl": "http://" + p.listen,
		"approvals": map[string]any{"signingKey": p.signingKey, "links": true},
		"vault":     map[string]any{"address": p.vault, "token": p.serverVault},
		"templates": map[string]any{"sources": []any{map[string]any{"catalog": true}}},
		// Without a token: it reads the templates that everybody may read, and forms are suggested what their user's own shows.
		"github": []any{map[string]any{"host": "github.com", "apiBaseUrl": p.sandbox + "/github"}},
		"notifications": map[string]any{
			"slack": map[string]any{"url": p.sandbox + "/slack/api/", "token": c.Slack, "channels": slackChannels()},
			"email": map[string]any{"host": loopback, "port": p.smtpPort, "from": "Gildway <gildway@acme.example>", "user": mailUser, "password": c.Mail},
		},
	})
	workerFile := with(shared, map[string]any{
		"publicUrl":  "http://" + p.listen,
		"workspace":  map[string]any{"url": p.workspace()},
		"approvals":  map[string]any{"verifyKey": p.verifyKey},
		"vault":      map[string]any{"address": p.vault, "token": p.workerVault},
		"github":     []any{map[string]any{"host": "github.com", "apiBaseUrl": p.sandbox + "/github", "token": c.GitHub}},
		"okta":       map[string]any{"url": p.sandbox + "/okta", "token": c.Okta},
		"servicenow": map[string]any{"url": p.sandbox + "/servicenow", "user": serviceNowUser, "password": c.ServiceNow},
	})
	server, worker = filepath.Join(p.stateDir, "server.yaml"), filepath.Join(p.stateDir, "worker.yaml")
	if err := writeYAML(server, serverFile); err != nil {
		return "", "", err
	}
	return server, worker, writeYAML(worker, workerFile)
}

// slackChannels are those of the teams that meet in Slack; the people of others are told one by one.
func slackChannels() (list []any) {
	for _, team := range []string{"platform-team", "ml-platform-team"} {
		list = append(list, map[string]any{"group": "group:default/" + team, "channel": slack.ChannelID(team)})
	}
	return list
}

const (
	serviceNowUser = "gildway"
	mailUser       = "gildway"
)

func with(base, more map[string]any) map[string]any {
	for k, v := range base {
		more[k] = v
	}
	return more
}

func writeYAML(file string, v any) error {
	raw, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return stack.WriteFile(file, raw)
}
