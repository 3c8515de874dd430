package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/exercise"
	"github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

func TestSuggest_Resources_AsTheCallerSeesThem(t *testing.T) {
	t.Parallel()
	p := exercise.StartProviders(t)
	plant(p)
	s := github.NewSuggester(map[string]github.Host{"github.com": {APIBaseURL: p.Endpoint("github"), Token: secrets.New("never used")}})
	token := secrets.New(exercise.Tokens.GitHub)
	ask := func(resource string, given map[string]string) []string {
		t.Helper()
		names, err := s.Suggest(t.Context(), resource, token, given)
		require.NoError(t, err)
		return names
	}
	require.Contains(t, ask("repositoriesWithOwner", nil), "acme-org/shop")
	require.Contains(t, ask("owners", nil), "acme-org")
	require.NotNil(t, ask("branches", map[string]string{"owner": "acme-org", "repository": "shop"}))

	_, err := s.Suggest(t.Context(), "owners", secrets.New("wrong"), nil)
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.NotContains(t, err.Error(), "wrong")
	for resource, given := range map[string]map[string]string{
		"owners":   {"host": "github.example"},
		"branches": {"owner": "acme-org"},
		"labels":   nil,
	} {
		_, err := s.Suggest(t.Context(), resource, token, given)
		require.ErrorIs(t, err, fault.Invalid, resource)
	}
	_, err = s.Suggest(t.Context(), "branches", token, map[string]string{"owner": "../../user", "repository": "x"})
	require.ErrorIs(t, err, fault.Invalid)
	_, err = s.Suggest(t.Context(), "branches", token, map[string]string{"owner": "acme-org", "repository": "nowhere"})
	require.ErrorIs(t, err, fault.NotFound)
}

func TestSuggest_PagesWithoutEnd_AreCut(t *testing.T) {
	t.Parallel()
	asked := 0
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/user/orgs?page=%d>; rel="next"`, r.Host, asked+1))
		fmt.Fprintf(w, `[{"login":"org-%d"}]`, asked)
	}))
	defer endless.Close()
	s := github.NewSuggester(map[string]github.Host{"github.com": {APIBaseURL: endless.URL}})
	names, err := s.Suggest(t.Context(), "owners", secrets.New("x"), nil)
	require.NoError(t, err)
	require.Len(t, names, 10)
	require.Equal(t, 10, asked)
}
