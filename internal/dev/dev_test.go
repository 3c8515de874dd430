package dev

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/identity"
)

func TestConfigs_AreCompleteForTheirRoleAndHoldNoMore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a folder, 100% odd?")
	require.NoError(t, os.Mkdir(dir, 0o700))
	creds, err := loadCredentials(dir)
	require.NoError(t, err)
	server, worker, err := writeConfigs(places{
		stateDir: dir, listen: "127.0.0.1:1", sandbox: "http://127.0.0.1:2", database: "postgres://u:p@127.0.0.1:3/gildway",
		smtpPort: 6, temporal: "127.0.0.1:4", vault: "http://127.0.0.1:5", serverVault: "s.api", workerVault: "s.worker",
		signingKey: "decisions.key", verifyKey: "decisions.pub",
	}, creds)
	require.NoError(t, err)

	none := func(string) (string, bool) { return "", false }
	s, err := config.Load(server, config.Server, none, nil)
	require.NoError(t, err)
	w, err := config.Load(worker, config.Worker, none, nil)
	require.NoError(t, err)

	require.Equal(t, "s.api", s.Vault.Token.Reveal())
	require.Equal(t, "http://127.0.0.1:1", w.PublicURL)
	require.Equal(t, "s.worker", w.Vault.Token.Reveal())
	require.Equal(t, creds.Okta, w.Okta.Token.Reveal())
	require.Equal(t, creds.Slack, s.Notifications.Slack.Token.Reveal())
	require.Equal(t, creds.Mail, s.Notifications.Email.Password.Reveal())
	require.Equal(t, 6, s.Notifications.Email.Port)
	require.False(t, w.Notifications.Slack.On() || w.Notifications.Email.On())
	require.True(t, s.GitHub[0].Token.Empty(), "it only reads what everybody may read")
	require.Equal(t, []config.TemplateSource{{Catalog: true}}, s.Templates.Sources)
	require.Empty(t, s.Okta.URL)
	require.Empty(t, s.Approvals.VerifyKey)
	require.Empty(t, w.Approvals.SigningKey)
	require.Equal(t, "file://"+filepath.Dir(dir)+"/a%20folder,%20100%25%20odd%3F/workspace?no_tmp_dir=true", w.Workspace.URL)
	requirePrivate(t, dir)
}

func TestKeysAndCredentials_AreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := loadCredentials(dir)
	require.NoError(t, err)
	again, err := loadCredentials(dir)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), []byte(`{"github":"ghs_old","okta":"00old","servicenow":"old","catalog":"old"}`), 0o600))
	older, err := loadCredentials(dir)
	require.NoError(t, err)
	require.Equal(t, "ghs_old", older.GitHub)
	require.NotEmpty(t, older.Slack, "which an older release did not have")
	kept, err := loadCredentials(dir)
	require.NoError(t, err)
	require.Equal(t, older, kept)

	private, public, err := ensureDecisionKey(dir)
	require.NoError(t, err)
	before, err := os.ReadFile(public)
	require.NoError(t, err)
	samePrivate, samePublic, err := ensureDecisionKey(dir)
	require.NoError(t, err)
	after, err := os.ReadFile(public)
	require.NoError(t, err)
	require.Equal(t, []string{private, public, string(before)}, []string{samePrivate, samePublic, string(after)})
	requirePrivate(t, dir)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), []byte("{"), 0o600))
	_, err = loadCredentials(dir)
	require.ErrorContains(t, err, "credentials.json")
}

func TestToken_NoStack_SaysHowToStartOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Token(t.Context(), dir, "requester", "", nil)
	require.ErrorContains(t, err, "gildway dev --state-dir "+dir)
	_, err = ReadEndpoints(dir)
	require.ErrorContains(t, err, "gildway dev --state-dir "+dir)
	_, err = Token(t.Context(), dir, "nobody", "", nil)
	require.ErrorContains(t, err, "--as takes one of")
}

func TestToken_OfARole_NeedsNoRunningStackAndIsAcceptedByOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	doubles := startSandbox(t, dir)
	tokens := map[string]string{}
	for _, role := range Roles {
		token, err := Token(t.Context(), dir, role, "", nil)
		require.NoError(t, err)
		tokens[role] = token
	}
	verifier, err := identity.NewVerifier(http.DefaultClient, identity.Trust{Issuers: []identity.Issuer{{URL: doubles + "/issuer", Audience: audience}}})
	require.NoError(t, err)
	for role, token := range tokens {
		who, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, people[role].ref, who.Ref)
	}

	_, err = Token(t.Context(), dir, "requester", "user:default/jo", []string{"group:default/payments-team"})
	require.NoError(t, err)
	creds, err := loadCredentials(dir)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, doubles+"/api/catalog/entities/by-name/user/default/jo", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+creds.Catalog)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode, "the directory knows the newcomer")
}

// startSandbox serves the doubles of a state folder and writes down where they are.
func startSandbox(t *testing.T, dir string) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	url = "http://" + server.Listener.Addr().String()
	require.NoError(t, writeJSON(filepath.Join(dir, stateFile), state{Sandbox: url}))
	doubles, err := OpenSandbox(dir, url, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, doubles.Close()) })
	server.Config.Handler = doubles
	server.Start()
	return url
}

// requirePrivate checks that nobody but the owner can read what is in a folder.
func requirePrivate(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if path != dir {
			require.Zero(t, info.Mode().Perm()&0o077, "%s is %v", path, info.Mode())
		}
		return nil
	}))
}
