package config

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/secrets"
)

// withAuth is a configuration whose auth is the given YAML, indented by two.
func withAuth(auth string) string {
	before, rest, _ := strings.Cut(complete, "auth:\n")
	_, after, _ := strings.Cut(rest, "approvals:")
	return before + "auth:\n" + auth + "\napprovals:" + after
}

const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestAuth_Everything_BecomesTrust(t *testing.T) {
	t.Parallel()
	c, err := load(t, withAuth(`
  issuers:
    - { url: "http://portal/api/auth", audience: backstage }
    - { type: oidc, url: "https://acme.okta.com/oauth2/default", audience: "api://gildway", userClaim: email, userRef: "user:default/{localpart}",
        groupsClaim: groups, emailDomains: [acme.com] }
  plugins: { url: "http://portal/api", accept: [permission] }
  services:
    - { subject: CI, sha256: `+sum+`, only: [run, read] }
    - { subject: nightly, vault: "gildway-config/services/nightly#token" }
  roles: { admin: [Platform-Team], auditor: [user:default/Olga] }
`), Server)
	require.NoError(t, err)
	trust, err := c.Auth.Trust(func(mount, path, field string) (secrets.Secret, error) {
		require.Equal(t, [3]string{"gildway-config", "services/nightly", "token"}, [3]string{mount, path, field})
		return secrets.New("a-token-that-nobody-guesses"), nil
	})
	require.NoError(t, err)
	require.Equal(t, identity.Backstage, trust.Issuers[0].Type)
	require.Equal(t, identity.OIDC, trust.Issuers[1].Type)
	require.Equal(t, []string{"acme.com"}, trust.Issuers[1].EmailDomains)
	require.Equal(t, []string{"permission"}, trust.Plugins.Accept)
	require.Equal(t, "service:default/ci", trust.Services[0].Subject)
	require.Equal(t, []identity.Action{identity.Run, identity.Read, identity.See}, trust.Services[0].Only)
	require.Equal(t, "service:default/nightly", trust.Services[1].Subject)
	_, err = identity.NewVerifier(http.DefaultClient, trust)
	require.NoError(t, err)
	policy, err := c.Auth.Rules()
	require.NoError(t, err)
	require.True(t, policy.Allows(identity.Principal{Ref: "user:default/x", Kind: identity.User, Groups: []string{"group:default/platform-team"}}, identity.Manage, identity.Resource{}))
	require.True(t, policy.Allows(identity.Principal{Ref: "user:default/olga", Kind: identity.User}, identity.Audit, identity.Resource{}))

	for _, token := range []string{"short", "with a space in its midst"} {
		_, err = c.Auth.Trust(func(string, string, string) (secrets.Secret, error) { return secrets.New(token), nil })
		require.Error(t, err)
		require.NotContains(t, err.Error(), token)
	}
	_, err = c.Auth.Trust(func(string, string, string) (secrets.Secret, error) { return secrets.Secret{}, errors.New("sealed") })
	require.ErrorContains(t, err, "nightly: sealed")
}

func TestAuth_WhatIsWrong_AllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(t, withAuth(`
  issuers:
    - { type: saml, url: "http://x", audience: a }
    - { url: "http://y" }
    - { url: "http://portal/api/auth", audience: backstage, userClaim: email }
    - { type: oidc, url: "http://z", audience: a, jwks: nowhere, userRef: "user:default/admin", groupRef: "user:default/{value}" }
  plugins: { accept: ["../auth"] }
  services:
    - { subject: "user:default/rosa", sha256: "plain-token-by-mistake" }
    - { subject: b, sha256: `+sum+`, vault: "a/b#c", only: [reed] }
    - { subject: c, vault: "no field" }
    - { subject: d }
  roles: { admin: ["a b"], auditor: ["c d"] }
`), Server)
	for _, want := range []string{
		"auth.issuers[0].type: must be backstage or oidc", "auth.issuers[1]: needs url and audience", "auth.issuers[2]: userClaim",
		"auth.issuers[3].jwks", "auth.issuers[3].userRef", "auth.issuers[3].groupRef", "auth.plugins.url", "auth.plugins.accept[0]",
		"auth.services[0].subject", "auth.services[0].sha256", "auth.services[1]: needs either", "auth.services[1].only[0]", "did you mean read?",
		"auth.services[2].vault", "auth.services[3]: needs either", "auth.roles.admin[0]", "auth.roles.auditor[0]",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "plain-token-by-mistake")
	_, err = load(t, withAuth("  dangerouslyDisableSignin: true"), Server)
	require.ErrorContains(t, err, "did you mean auth.dangerouslyDisableSignIn?")
	_, err = load(t, withAuth("  dangerouslyDisableSignIn: true"), Server)
	require.NoError(t, err, "nobody signs in, so no issuer is needed")
	_, err = load(t, withAuth("  dangerouslyDisableSignIn: false"), Server)
	require.ErrorContains(t, err, "auth.issuers")
}

func TestAuth_Policy_AllItsProblems(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("rules:\n  - {who: everyone, may: se}\n"), 0o600))
	_, err := Auth{Policy: file}.Rules()
	require.ErrorContains(t, err, "can't be used")
	require.NoError(t, os.WriteFile(file, []byte("rules: []\n"), 0o600))
	policy, err := Auth{Policy: file}.Rules()
	require.NoError(t, err)
	person := identity.Principal{Ref: "user:default/x", Kind: identity.User}
	require.False(t, policy.AllowsSome(person, identity.Run))
	policy, err = Auth{}.Rules()
	require.NoError(t, err)
	require.True(t, policy.AllowsSome(person, identity.Run))
}

func TestAuth_ExampleOfTheDocs_IsGood(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	example := func(head string) string {
		_, rest, found := strings.Cut(string(raw), "```yaml\n# "+head+"\n")
		require.True(t, found, head)
		text, _, _ := strings.Cut(rest, "```")
		return text
	}
	c, err := load(t, withAuth(strings.TrimPrefix(example("auth of server.yaml"), "auth:\n")), Server)
	require.NoError(t, err)
	trust, err := c.Auth.Trust(func(string, string, string) (secrets.Secret, error) {
		return secrets.New("a-token-that-nobody-guesses"), nil
	})
	require.NoError(t, err)
	_, err = identity.NewVerifier(http.DefaultClient, trust)
	require.NoError(t, err)
	rules, problems := identity.ParseRules("policy.yaml", []byte(example("policy.yaml")))
	require.Empty(t, problems)
	require.Len(t, rules, 5)
}
