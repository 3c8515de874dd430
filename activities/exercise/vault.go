package exercise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	policies "github.com/gildway/gildway/deploy/vault"
	"github.com/gildway/gildway/internal/stack"
)

// vaultServer is the real Vault of a test binary, set up as in production.
type vaultServer struct {
	address     string
	root        *api.Client
	worker, api string // tokens
}

var theVault vaultServer

// WithVault runs a package's tests beside a real Vault, which it builds if the machine has none.
func WithVault(m *testing.M) (code int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop, err := theVault.start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "no Vault to test with:", err)
		return 1
	}
	defer stop()
	return m.Run()
}

const rootToken = "root-canary-3c90"

func (v *vaultServer) start(ctx context.Context) (stop func(), err error) {
	binary, err := stack.Build(ctx, "vault", func(p stack.Progress) { fmt.Fprintln(os.Stderr, p) })
	if err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "gildway-vault")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "server", "-dev", "-dev-root-token-id="+rootToken, "-dev-listen-address="+listen, "-dev-no-store-token")
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	stop = func() {
		_ = cmd.Process.Kill() // a dev server keeps nothing
		_ = cmd.Wait()
		_ = os.RemoveAll(home)
	}
	v.address = "http://" + listen
	if err := v.setUp(ctx); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (v *vaultServer) setUp(ctx context.Context) (err error) {
	if v.root, err = api.NewClient(&api.Config{Address: v.address}); err != nil {
		return err
	}
	v.root.SetToken(rootToken)
	if err := eventually(ctx, func() error { _, err := v.root.Sys().HealthWithContext(ctx); return err }); err != nil {
		return err
	}
	for _, mount := range policies.Mounts() {
		err := v.root.Sys().MountWithContext(ctx, mount, &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}})
		if err != nil {
			return err
		}
		// A new KV engine answers 400 until it has upgraded itself.
		if err := eventually(ctx, func() error { _, err := v.root.Logical().ReadWithContext(ctx, mount+"/config"); return err }); err != nil {
			return err
		}
	}
	for name, rules := range policies.Policies() {
		if err := v.root.Sys().PutPolicyWithContext(ctx, name, rules); err != nil {
			return err
		}
	}
	for policy, into := range map[string]*string{policies.WorkerPolicyName: &v.worker, policies.APIPolicyName: &v.api} {
		token, err := v.root.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{Policies: []string{policy}, NoDefaultPolicy: true})
		if err != nil {
			return err
		}
		*into = token.Auth.ClientToken
	}
	return nil
}

func eventually(ctx context.Context, holds func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Vault is the package's Vault behind a network of the test's own, which can lose answers.
type Vault struct {
	Root        *api.Client
	Address     string
	WorkerToken string
	APIToken    string

	mu   sync.Mutex
	lose string // beginning of the path whose next answer is lost
}

// StartVault gives a test its way to the Vault that WithVault started.
func StartVault(t testing.TB) *Vault {
	t.Helper()
	behind, err := url.Parse(theVault.address)
	require.NoError(t, err)
	require.NotEmpty(t, behind.Host, "the package's TestMain must use exercise.WithVault")
	v := &Vault{Root: theVault.root, WorkerToken: theVault.worker, APIToken: theVault.api}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ModifyResponse = func(answer *http.Response) error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.lose == "" || !strings.HasPrefix(answer.Request.URL.Path, v.lose) {
			return nil
		}
		v.lose = ""
		panic(http.ErrAbortHandler)
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	v.Address = srv.URL
	return v
}

// Lose makes Vault do the next request below a path, such as /v1/auth/token/create/, and lose its answer.
func (v *Vault) Lose(path string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lose = path
}

// With is a client with another token.
func (v *Vault) With(t testing.TB, token string) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: v.Address})
	require.NoError(t, err)
	c.SetToken(token)
	return c
}

// Holders counts the live tokens of the roles whose name contains a text; one that waits wrapped is two, itself
// and its wrapping. It reads the leases: looking a token up
// by its accessor before its lease is registered makes Vault delete it, under the feet of a parallel test.
func (v *Vault) Holders(t testing.TB, role string) (n int64) {
	t.Helper()
	const leases = "sys/leases/lookup/auth/token/create/"
	for _, name := range v.list(t, leases) {
		if strings.Contains(name, role) {
			n += int64(len(v.list(t, leases+name)))
		}
	}
	return n
}

// EndTokens ends all tokens of a role, as an operator would.
func (v *Vault) EndTokens(t testing.TB, role string) {
	t.Helper()
	require.NoError(t, v.Root.Sys().RevokePrefixWithContext(t.Context(), "auth/token/create/"+role+"/"))
}

// list gives the keys below a path; none if there is nothing.
func (v *Vault) list(t testing.TB, path string) (keys []string) {
	t.Helper()
	found, err := v.Root.Logical().ListWithContext(t.Context(), path)
	require.NoError(t, err)
	if found == nil {
		return nil
	}
	for _, key := range found.Data["keys"].([]any) {
		keys = append(keys, key.(string))
	}
	return keys
}
