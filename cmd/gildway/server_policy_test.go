package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer_PolicyThatCantBeRead_SaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	key := file("decisions.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
	policy := file("policy.yaml", "rules:\n  - who: [everyon]\n    may: [see, rum]\n")
	config := file("server.yaml", `
database: { url: "postgres://nobody@127.0.0.1:1/none" }
temporal: { address: "127.0.0.1:1" }
vault: { address: "http://127.0.0.1:1", token: t }
catalog: { url: "http://127.0.0.1:1/api/catalog" }
approvals: { signingKey: `+key+` }
auth:
  issuers: [{ url: "http://127.0.0.1:1/api/auth", audience: backstage }]
  policy: `+policy+`
`)
	status, _, says := gildway(t, "server", "--config", config)
	require.Equal(t, 1, status)
	require.Contains(t, says, "auth.policy")
	require.Contains(t, says, `policy.yaml:2:11: "everyon" is nobody (unknown-who); try: everyone`)
	require.Contains(t, says, `policy.yaml:3:16: there is no action "rum" (unknown-action); try: run`)
}
