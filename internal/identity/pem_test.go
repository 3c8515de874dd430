package identity_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/identity"
)

func TestOpen_WhatOneHalfSigns_TheOtherVerifies(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	key, pub := write("key", "PRIVATE KEY", privateDER), write("pub", "PUBLIC KEY", publicDER)

	signer, err := identity.OpenSigner(key)
	require.NoError(t, err)
	verifier, err := identity.OpenStatementVerifier(pub)
	require.NoError(t, err)
	signed, err := signer.Sign(identity.Statement{Approver: "user:default/amir", Task: "t", Gate: "g", Digest: "d", Verdict: "approve"})
	require.NoError(t, err)
	statement, err := verifier.Verify(signed, time.Now())
	require.NoError(t, err)
	require.Equal(t, "user:default/amir", statement.Approver)

	_, err = identity.OpenSigner(pub)
	require.Error(t, err, "a public key can't sign")
	_, err = identity.OpenStatementVerifier(key)
	require.Error(t, err, "a worker has no private key")
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("no key"), 0o600))
	_, err = identity.OpenSigner(text)
	require.ErrorContains(t, err, "no PEM block")
}
