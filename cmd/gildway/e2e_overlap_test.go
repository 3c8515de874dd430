//go:build linux

package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOverlap_IndependentSteps_RunAtTheSameTime(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "ola")
	const slow = 3000
	shared(t).delay(t, "github", "GET", "/repos/acme-org/overlapping", slow)
	shared(t).delay(t, "okta", "PUT", shared(t).membership(t, "ai-coding-assistants", p), slow)
	r := p.submitService(t, "overlapping")
	events := r.completes(t)

	grantBegan, grantEnded := between(t, events, "provision-ai-access")
	fetchBegan, fetchEnded := between(t, events, "fetch-template")
	publishBegan, publishEnded := between(t, events, "publish")
	require.GreaterOrEqual(t, grantEnded.Sub(grantBegan), slow*time.Millisecond)
	require.GreaterOrEqual(t, publishEnded.Sub(publishBegan), slow*time.Millisecond)
	require.False(t, publishBegan.Before(fetchEnded), "publish needs what was fetched")
	require.True(t, fetchBegan.Before(grantEnded) && grantBegan.Before(publishBegan), "the grant waited for the files")
	require.True(t, publishBegan.Before(grantEnded) && grantBegan.Before(publishEnded), "publish and the grant ran one after the other")

	graph := r.graph(t)
	for _, e := range graph.Edges {
		require.NotEqual(t, "provision-ai-access", e.From)
		require.NotEqual(t, "provision-ai-access", e.To)
	}
	var sum time.Duration
	first, last := publishBegan, publishEnded
	for _, s := range graph.Steps {
		require.NotNil(t, s.StartedAt, s.ID)
		require.NotNil(t, s.EndedAt, s.ID)
		sum += s.EndedAt.Sub(*s.StartedAt)
		if s.StartedAt.Before(first) {
			first = *s.StartedAt
		}
		if s.EndedAt.After(last) {
			last = *s.EndedAt
		}
	}
	require.Less(t, last.Sub(first), sum, "the run took less than its steps one after the other")
}

func TestOverlap_MembershipAndKey_RunAtTheSameTime(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "ove")
	shared(t).delay(t, "okta", "PUT", shared(t).membership(t, "llm-gateway-users", p), 2000)
	events := p.submitAccess(t, fewTokens).completes(t)
	membershipBegan, membershipEnded := between(t, events, "membership")
	keyBegan, keyEnded := between(t, events, "key")
	require.True(t, keyBegan.Before(membershipEnded) && membershipBegan.Before(keyEnded))
}
