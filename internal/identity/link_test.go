package identity

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestLink_NothingElsePassesForOne(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := NewSigner(private)
	require.NoError(t, err)
	public, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	stranger, err := NewSigner(foreign)
	require.NoError(t, err)

	now := time.Now()
	link := Link{Person: "user:default/ben", Gate: "t.g", Expires: now.Add(time.Hour).Truncate(time.Second)}
	token, err := signer.SignLink(link)
	require.NoError(t, err)
	got, is, err := signer.Link(token, now)
	require.NoError(t, err)
	require.True(t, is)
	require.Equal(t, link.Expires.UTC(), got.Expires.UTC())
	got.Expires = link.Expires
	require.Equal(t, link, got)

	_, is, err = signer.Link(token, now.Add(2*time.Hour))
	require.True(t, is)
	require.ErrorIs(t, err, fault.Unauthenticated, "too old")
	forged, err := stranger.SignLink(link)
	require.NoError(t, err)
	_, is, err = signer.Link(forged, now)
	require.True(t, is)
	require.ErrorIs(t, err, fault.Unauthenticated, "another key")
	parts := strings.Split(token, ".")
	other := strings.Split(forged, ".")
	_, _, err = signer.Link(parts[0]+"."+other[1]+"."+parts[2][:len(parts[2])-4]+"AAAA", now)
	require.ErrorIs(t, err, fault.Unauthenticated, "another signature")

	statement, err := signer.Sign(Statement{Approver: link.Person, Task: "t", Gate: "t.g", Verdict: "approve"})
	require.NoError(t, err)
	for _, text := range []string{"", "a", "a.b.c", statement} {
		_, is, err = signer.Link(text, now)
		require.NoError(t, err)
		require.False(t, is, text)
	}
	verifier, err := NewStatementVerifier(public, private.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	_, err = verifier.Verify(token, now)
	require.ErrorIs(t, err, fault.Denied, "a link is no decision")
}
