package identity

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestStatement_RoundTrip(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := NewSigner(private)
	require.NoError(t, err)
	verifier, err := NewStatementVerifier(public)
	require.NoError(t, err)
	said := Statement{Approver: "user:default/ben", Task: "t", Gate: "t.g", Digest: "sha256:d", Verdict: "approve", Comment: "fine"}
	token, err := signer.Sign(said)
	require.NoError(t, err)

	now := time.Now()
	got, err := verifier.Verify(token, now)
	require.NoError(t, err)
	require.NotEmpty(t, got.Nonce)
	require.Equal(t, 24*time.Hour, got.Expires.Sub(got.IssuedAt), "as long as a signed decision may wait for a worker")
	said.Nonce, said.IssuedAt, said.Expires = got.Nonce, got.IssuedAt, got.Expires
	require.Equal(t, said, got)

	_, err = verifier.Verify(token, now.Add(23*time.Hour))
	require.NoError(t, err)
	_, err = verifier.Verify(token, now.Add(25*time.Hour))
	require.ErrorIs(t, err, fault.Denied)
	_, err = verifier.Verify(token, now.Add(-10*time.Minute))
	require.ErrorIs(t, err, fault.Denied)
}

func TestStatement_Forged_Denied(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	verifier, err := NewStatementVerifier(public)
	require.NoError(t, err)
	id, err := keyID(public)
	require.NoError(t, err)
	sign := func(key any, alg jose.SignatureAlgorithm, kid, typ string, c any) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		require.NoError(t, err)
		token, err := jwt.Signed(s).Claims(c).Serialize()
		require.NoError(t, err)
		return token
	}
	now := time.Now()
	good := jwt.Claims{Issuer: statementIssuer, Subject: "user:default/eve", ID: "n", IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute))}
	endless, anonymous := good, good
	endless.Expiry, anonymous.ID = nil, ""
	for name, token := range map[string]string{
		"OtherKeyOurID": sign(foreign, jose.EdDSA, id, statementType, good),
		"UnknownKey":    sign(foreign, jose.EdDSA, "x", statementType, good),
		"WrongType":     sign(private, jose.EdDSA, id, "JWT", good),
		"PublicAsHMAC":  sign([]byte(public), jose.HS256, id, statementType, good),
		"NoExpiry":      sign(private, jose.EdDSA, id, statementType, endless),
		"NoNonce":       sign(private, jose.EdDSA, id, statementType, anonymous),
		"NotAToken":     "x.y.z",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verifier.Verify(token, now)
			require.ErrorIs(t, err, fault.Denied)
		})
	}
}
