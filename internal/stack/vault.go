package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"time"

	vault "github.com/hashicorp/vault/api"
)

// vaultKeys open the stack's Vault. They are kept in the state directory, as
// a development server has nobody else to keep them.
type vaultKeys struct {
	Unseal string `json:"unseal"`
	Root   string `json:"root"`
}

// startVault runs Vault on raft storage, initialises it once, unseals it
// whenever it starts and brings it to what the setup says.
func (s *Stack) startVault(ctx context.Context, binary string, setup VaultSetup) error {
	s.VaultAddress = "http://" + address(s.Ports.Vault)
	for _, dir := range []string{s.dir.file("vault"), s.dir.file("vault", "raft")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	v, err := s.vaultServer()
	if err != nil {
		return err
	}
	if err := WriteFile(s.dir.file("vault", "config.hcl"), []byte(s.vaultConfig())); err != nil {
		return err
	}
	if _, err := s.Run("vault", Command{
		Path: binary, Args: []string{"server", "-config=" + s.dir.file("vault", "config.hcl")},
		Dir: s.dir.file("vault"),
		// The user's VAULT_… variables are about another server.
		CleanEnv: true, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir.file("vault"), "TZ=UTC"},
		Ready: v.open,
	}); err != nil {
		return err
	}
	keys, err := v.keys()
	if err != nil {
		return err
	}
	s.VaultRootToken = keys.Root
	v.client.SetToken(keys.Root)
	if err := v.enableAudit(ctx, s.dir.file("logs", "vault-audit.log")); err != nil {
		return fmt.Errorf("vault audit device: %w", err)
	}
	if err := setup.apply(ctx, v.client); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if s.VaultTokens, err = setup.tokens(ctx, v.client, s.dir.file("secrets", "vault-tokens.json")); err != nil {
		return fmt.Errorf("vault tokens: %w", err)
	}
	s.renewTokens(v.client)
	return nil
}

func (s *Stack) vaultConfig() string {
	quote := strconv.Quote
	return fmt.Sprintf(`ui = false
disable_mlock = true
log_level = "warn"
max_lease_ttl = "8760h"
default_lease_ttl = "768h"
api_addr = %s
cluster_addr = %s

storage "raft" {
  path = %s
  node_id = "local"
  performance_multiplier = 1
}

listener "tcp" {
  address = %s
  cluster_address = %s
  tls_disable = true
}
`, quote(s.VaultAddress), quote("https://"+address(s.Ports.vaultCluster)), quote(s.dir.file("vault", "raft")),
		quote(address(s.Ports.Vault)), quote(address(s.Ports.vaultCluster)))
}

// vaultServer is the running server together with the file that its keys are in.
type vaultServer struct {
	client  *vault.Client
	keyFile string
	data    string
}

func (s *Stack) vaultServer() (*vaultServer, error) {
	client, err := vault.NewClient(&vault.Config{
		Address:    s.VaultAddress,
		HttpClient: &http.Client{Transport: &http.Transport{}, Timeout: 15 * time.Second},
	})
	if err != nil {
		return nil, err
	}
	// What the environment says is about another server.
	client.ClearToken()
	client.ClearNamespace()
	v := &vaultServer{client: client, keyFile: s.dir.file("secrets", "vault-keys.json"), data: s.dir.file("vault", "raft")}
	return v, v.setAsideUnreadable()
}

// setAsideUnreadable moves data away that was initialised by a start which
// ended before it kept the keys: nobody can open it any more.
func (v *vaultServer) setAsideUnreadable() error {
	if _, err := os.Stat(v.keyFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(v.data)
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := os.Rename(v.data, fmt.Sprintf("%s.without-keys-%d", v.data, time.Now().UnixNano())); err != nil {
		return err
	}
	return os.Mkdir(v.data, 0o700)
}

func (v *vaultServer) keys() (vaultKeys, error) {
	var keys vaultKeys
	text, err := os.ReadFile(v.keyFile)
	if err != nil {
		return keys, err
	}
	return keys, json.Unmarshal(text, &keys)
}

// open initialises the server when it is new, unseals it when it is sealed,
// and succeeds when it is active.
func (v *vaultServer) open(ctx context.Context) error {
	sys := v.client.Sys()
	health, err := sys.HealthWithContext(ctx)
	if err != nil {
		return err
	}
	if !health.Initialized {
		answer, err := sys.InitWithContext(ctx, &vault.InitRequest{SecretShares: 1, SecretThreshold: 1})
		if err != nil {
			return err
		}
		text, err := json.Marshal(vaultKeys{Unseal: answer.KeysB64[0], Root: answer.RootToken})
		if err != nil {
			return err
		}
		if err := WriteFile(v.keyFile, text); err != nil {
			return err
		}
	}
	if health.Sealed || !health.Initialized {
		keys, err := v.keys()
		if err != nil {
			return err
		}
		if _, err := sys.UnsealWithContext(ctx, keys.Unseal); err != nil {
			return err
		}
	}
	if health, err = sys.HealthWithContext(ctx); err != nil {
		return err
	}
	if !health.Initialized || health.Sealed || health.Standby {
		return errors.New("vault is not active yet")
	}
	return nil
}

func (v *vaultServer) enableAudit(ctx context.Context, file string) error {
	devices, err := v.client.Sys().ListAuditWithContext(ctx)
	if err != nil {
		return err
	}
	if device, ok := devices["file/"]; ok {
		if device.Options["file_path"] == file {
			return nil
		}
		// The state directory was moved.
		if err := v.client.Sys().DisableAuditWithContext(ctx, "file"); err != nil {
			return err
		}
	}
	return v.client.Sys().EnableAuditWithOptionsWithContext(ctx, "file", &vault.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": file, "mode": "0600"},
	})
}
