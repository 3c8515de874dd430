package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func TestKeySet_IssuerThatHangs_StallsNobodyWhoseKeyIsKnown(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	var hangs atomic.Bool
	asked, release := make(chan struct{}, 1), make(chan struct{})
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if hangs.Load() {
			asked <- struct{}{}
			<-release
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	}))
	t.Cleanup(issuer.Close)
	t.Cleanup(func() { close(release) })
	set := newKeySet(issuer.Client(), issuer.URL)
	now := time.Now()
	_, err = set.find(t.Context(), "one", "ES256", now)
	require.NoError(t, err)

	hangs.Store(true)
	later := now.Add(2 * keysLive)
	for range 3 {
		key, err := set.find(t.Context(), "one", "ES256", later)
		require.NoError(t, err, "the known key is good while the issuer is asked again")
		require.NotNil(t, key)
	}
	<-asked // it was asked, behind the callers
}
