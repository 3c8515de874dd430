package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/store"
)

func TestLimits_Quotas_NamedOnesInsteadOfTheirKinds(t *testing.T) {
	t.Parallel()
	l := Limits{
		Users: Quota{Running: 7}, Templates: Quota{Running: -1, PerMinute: -1},
		For: []QuotaFor{
			{Ref: "group:default/everybody", Running: -1, PerMinute: -1},
			{Ref: "service:default/ci", PerMinute: 9},
		},
	}
	l.setDefaults()
	require.Equal(t, []store.Quota{
		{Of: store.OfRequester, Ref: "user:default/rosa", Running: 7, PerMinute: 300},
		{Of: store.OfTemplate, Ref: "template:default/x"},
		{Of: store.OfTeam, Ref: "group:default/everybody"},
		{Of: store.OfTeam, Ref: "group:default/team", Running: 5000, PerMinute: 1500},
	}, l.Quotas("user:default/rosa", []string{"group:default/everybody", "group:default/team"}, "template:default/x"))
	require.Equal(t, store.Quota{Of: store.OfRequester, Ref: "service:default/ci", Running: 7, PerMinute: 9},
		l.Quotas("service:default/ci", nil, "template:default/x")[0])
}

func TestLimits_Mistakes_AreToldWithTheirKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gildway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
limits:
  users: {running: -2}
  for:
    - {ref: everybody, perMinute: -7}
    - {ref: "group:default/x"}
    - {ref: "group:default/x"}
  dryRuns: {atOnce: -3}
  schedules: {perUser: -2}
`), 0o600))
	_, err := Load(file, Server, func(string) (string, bool) { return "", false }, nil)
	for _, says := range []string{
		"limits.users.running: must be a number of at least 1", "limits.for[0].ref: must be a whole ref", "limits.for[0].perMinute: must be",
		"limits.for[2].ref: is there twice", "limits.dryRuns.atOnce: must be", "limits.schedules.perUser: must be",
	} {
		require.ErrorContains(t, err, says)
	}
	require.NotContains(t, err.Error(), "limits.teams")
	require.NotContains(t, err.Error(), "limits.for[1]")
}

func TestLimits_Schedules_FiftyUnlessItSaysSo(t *testing.T) {
	t.Parallel()
	for given, most := range map[int]int{0: 50, 7: 7, -1: 0} {
		l := Limits{Schedules: Schedules{PerUser: given}}
		l.setDefaults()
		require.Equal(t, most, l.Schedules.Most())
	}
}
