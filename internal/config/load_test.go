package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const complete = `
database: { url: "postgres://u:${DB_PASSWORD}@db/gildway" }
temporal: { address: temporal:7233 }
vault: { address: "http://vault:8200", token: s.1 }
catalog: { url: "http://portal/api/catalog" }
auth:
  issuers:
    - { url: "http://portal/api/auth", jwks: "http://portal/jwks", audience: backstage }
  roles: { admin: ["group:default/platform-team"] }
approvals: { signingKey: key.pem, verifyKey: key.pub }
workspace: { url: "file:///tmp/w" }
github:
  - { host: github.com, apiBaseUrl: "https://api.github.com", token: t }
`

func load(t *testing.T, text string, role Role, environ ...string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gildway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	lookup := func(name string) (string, bool) { return "pw", name == "DB_PASSWORD" }
	return Load(file, role, lookup, environ)
}

func TestLoad_FileThenEnvironmentThenDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete, Server, "GILDWAY_TEMPORAL_ADDRESS=other:1", "GILDWAY_TOKEN=x", "GILDWAY_AUTH_ROLES_AUDITOR=group:default/a,group:default/b")
	require.NoError(t, err)
	require.Equal(t, "postgres://u:pw@db/gildway", c.Database.URL.Reveal())
	require.Equal(t, "other:1", c.Temporal.Address)
	require.Equal(t, "default", c.Temporal.Namespace)
	require.Equal(t, []string{"group:default/a", "group:default/b"}, c.Auth.Roles.Auditor)
	require.Equal(t, "t", c.GitHub[0].Token.Reveal())
	require.NotContains(t, fmt.Sprintf("%+v", c), "pw@")
}

func TestLoad_UnknownKeysAreErrorsWithASuggestion(t *testing.T) {
	t.Parallel()
	_, err := load(t, complete+"\ntemporall: { addres: x }\nvualt: {}\n", Server)
	require.ErrorContains(t, err, "unknown key temporall")
	_, err = load(t, complete+"\nworkspaces: { url: x }\n", Server)
	require.ErrorContains(t, err, "unknown key workspaces")
	_, err = load(t, "github: [{ hosts: x }]\n", Worker)
	require.ErrorContains(t, err, "did you mean github[].host?")
}

func TestLoad_SaysEverythingThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := load(t, "listen: nowhere\n", Server)
	for _, key := range []string{"listen", "database.url", "temporal.address", "vault.address", "auth.issuers", "approvals.signingKey"} {
		require.ErrorContains(t, err, key)
	}
	_, err = load(t, "okta: { url: nowhere }\nservicenow: { url: 'https://x.example', user: gildway }\ngithub: [{ host: github.com, apiBaseUrl: x }]\n", Worker)
	for _, key := range []string{"okta.url", "okta.token", "servicenow: needs", "github[0].apiBaseUrl", "github[0].token", "workspace.url"} {
		require.ErrorContains(t, err, key)
	}
	_, err = load(t, "listen: ${NOPE}\n", Worker)
	require.ErrorContains(t, err, "${NOPE} is used but not set")
}

func TestLoad_ExampleOfTheDocs_IsCompleteForItsRole(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	whole := map[Role]string{}
	for _, block := range strings.Split(string(raw), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		head, _, _ := strings.Cut(text, "\n")
		name, more := strings.CutPrefix(strings.TrimPrefix(head, "# "), "more of ")
		name, _, _ = strings.Cut(name, ".yaml")
		role := Role(name)
		if more {
			text = whole[role] + text
		}
		whole[role] = text
		file := filepath.Join(t.TempDir(), "gildway.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := Load(file, role, func(string) (string, bool) { return "set", true }, nil)
		require.NoError(t, err, role)
	}
	require.ElementsMatch(t, []Role{Server, Worker}, slices.Collect(maps.Keys(whole)))
}

func TestLoad_AVariableIsData(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gildway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(complete+"\n# ${NOT_SET}\n"), 0o600))
	const hostile = "a #b: c\nlisten: 0.0.0.0:1"
	c, err := Load(file, Server, func(string) (string, bool) { return hostile, true }, nil)
	require.NoError(t, err)
	require.Equal(t, "postgres://u:"+hostile+"@db/gildway", c.Database.URL.Reveal())
	require.Equal(t, "127.0.0.1:7780", c.Listen)
}
