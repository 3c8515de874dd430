package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Endpoints say where everything of a running stack is. They stand in endpoints.json in the state
// folder from the moment everything answers until the stack stops.
type Endpoints struct {
	API        string            `json:"api"`
	Temporal   string            `json:"temporal"` // host:port
	TemporalUI string            `json:"temporalUI"`
	Postgres   string            `json:"postgres"`
	Vault      string            `json:"vault"`
	VaultToken string            `json:"vaultToken"` // the operator's; the engine never uses it
	Sandbox    map[string]string `json:"sandbox"`
	Providers  map[string]string `json:"providers"` // the credentials that the sandbox asks for
	Tokens     map[string]string `json:"tokens"`    // one for each of Roles
}

const endpointsFile = "endpoints.json"

// ReadEndpoints finds a running stack by its state folder.
func ReadEndpoints(stateDir string) (Endpoints, error) {
	var e Endpoints
	raw, err := os.ReadFile(filepath.Join(stateDir, endpointsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("no stack is running in %s; start one with: gildway dev --state-dir %s", stateDir, stateDir)
	}
	if err != nil {
		return e, fmt.Errorf("reading the stack's endpoints: %w", err)
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("reading the stack's endpoints: %w", err)
	}
	return e, nil
}

// DefaultStateDir is where a stack keeps its state unless told otherwise: $XDG_STATE_HOME/gildway.
func DefaultStateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "gildway"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder; name a state folder with --state-dir: %w", err)
	}
	return filepath.Join(home, ".local", "state", "gildway"), nil
}

// state is what later commands have to know of a stack that need not be running.
type state struct {
	Sandbox string `json:"sandbox"` // base URL
}

const stateFile = "state.json"

func readState(stateDir string) (state, error) {
	var s state
	raw, err := os.ReadFile(filepath.Join(stateDir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("there is no stack in %s; start one with: gildway dev --state-dir %s", stateDir, stateDir)
	}
	if err != nil {
		return s, fmt.Errorf("reading the stack's state: %w", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("reading the stack's state: %w", err)
	}
	return s, nil
}
