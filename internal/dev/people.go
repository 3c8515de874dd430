package dev

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gildway/gildway/internal/sandbox/issuer"
)

// Roles are the people of the local stack, in the order in which they meet a run.
var Roles = []string{"requester", "approver", "auditor", "admin"}

type person struct {
	ref    string
	groups []string
}

// The sandbox's directory is seeded with the same people.
var people = map[string]person{
	"requester": {"user:default/rosa", []string{"group:default/payments-team"}},
	"approver":  {"user:default/amir", []string{"group:default/ml-platform-team"}},
	"auditor":   {"user:default/odile", []string{"group:default/audit"}},
	"admin":     {"user:default/tara", []string{"group:default/platform-team"}},
}

// tokenTTL is how long a token of the local stack is good for: a development session, not a day.
const tokenTTL = 30 * 24 * time.Hour

// Token makes a token of the local stack's issuer. ref and groups, if given, stand in for the role's;
// the running stack's directory then learns of that person.
func Token(ctx context.Context, stateDir, role, ref string, groups []string) (string, error) {
	who, ok := people[role]
	if !ok {
		return "", fmt.Errorf("%q is nobody here; --as takes one of %v", role, Roles)
	}
	state, err := readState(stateDir)
	if err != nil {
		return "", err
	}
	if ref != "" || len(groups) > 0 {
		who = person{ref: cmp.Or(ref, who.ref), groups: groups}
		if err := enrol(ctx, stateDir, state.Sandbox, who); err != nil {
			return "", err
		}
	}
	iss, err := issuer.Open(issuerDir(stateDir), state.Sandbox+"/issuer")
	if err != nil {
		return "", fmt.Errorf("opening the stack's issuer: %w", err)
	}
	return iss.Token(issuer.Claims{Sub: who.ref, Groups: who.groups, Audience: audience, TTL: tokenTTL})
}

const audience = "backstage"

func issuerDir(stateDir string) string { return filepath.Join(stateDir, "issuer") }
