package dev

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gildway/gildway/internal/stack"
)

// credentials are what the sandbox's providers ask for. Each is made once a state folder.
type credentials struct {
	GitHub     string `json:"github"`
	Okta       string `json:"okta"`
	ServiceNow string `json:"servicenow"`
	Catalog    string `json:"catalog"`
	Slack      string `json:"slack"`
	Mail       string `json:"mail"`
}

func loadCredentials(stateDir string) (credentials, error) {
	file := filepath.Join(stateDir, "credentials.json")
	var c credentials
	raw, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &c); err != nil {
			return c, fmt.Errorf("reading %s: %w", file, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("reading the sandbox's credentials: %w", err)
	}
	known := c
	for credential, prefix := range map[*string]string{
		&c.GitHub: "ghs_", &c.Okta: "00", &c.ServiceNow: "", &c.Catalog: "", &c.Slack: "xoxb-", &c.Mail: "",
	} {
		if *credential == "" {
			*credential = prefix + random()
		}
	}
	if c == known {
		return c, nil
	}
	return c, writeJSON(file, c)
}

func random() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}

// ensureDecisionKey makes the key pair that decisions are signed with, unless it is there.
func ensureDecisionKey(stateDir string) (private, public string, err error) {
	private, public = filepath.Join(stateDir, "decisions.key"), filepath.Join(stateDir, "decisions.pub")
	if _, err := os.Stat(public); err == nil {
		return private, public, nil
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("making the decision key: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encoding the decision key: %w", err)
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", "", fmt.Errorf("encoding the decision key: %w", err)
	}
	// The public half comes last: where it is, the private half is.
	if err := stack.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})); err != nil {
		return "", "", fmt.Errorf("keeping the decision key: %w", err)
	}
	if err := stack.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pubDER})); err != nil {
		return "", "", fmt.Errorf("keeping the decision key: %w", err)
	}
	return private, public, nil
}

func writeJSON(file string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", filepath.Base(file), err)
	}
	return stack.WriteFile(file, append(raw, '\n'))
}
