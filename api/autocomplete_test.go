package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

type oneOwner struct{}

func (oneOwner) Suggest(_ context.Context, resource string, token secrets.Secret, given map[string]string) ([]string, error) {
	if token.Reveal() != "mine" {
		return nil, &fault.Error{Kind: fault.Unauthenticated, Name: "HttpError", Public: "Bad credentials"}
	}
	return []string{resource + "/" + given["owner"]}, nil
}

func TestAutocomplete_Provider_SuggestsWithTheCallersToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Server) { s.Suggest = map[string]Suggester{"github": oneOwner{}} })
	const path = "/api/scaffolder/v2/autocomplete/github/branches"
	got := w.as(rosa, http.MethodPost, path, `{"token":"mine","context":{"owner":"acme"}}`)
	require.Equal(t, http.StatusOK, got.status, got.text)
	require.Equal(t, `{"results":[{"id":"branches/acme"}]}`, got.text)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"token":"","context":{}}`:              {http.StatusBadRequest, "Missing token query parameter"},
		`{"context":{}}`:                         {http.StatusBadRequest, "request/body must have required property 'token'"},
		`{"token":"mine"}`:                       {http.StatusBadRequest, "request/body must have required property 'context'"},
		`{"token":"mine","context":{"owner":1}}`: {http.StatusBadRequest, "request/body/context/owner must be string"},
		`{"token":"theirs","context":{}}`:        {http.StatusUnauthorized, `"name":"HttpError","message":"Bad credentials"`},
	} {
		got := w.as(rosa, http.MethodPost, path, body)
		require.Equal(t, want.status, got.status, got.text)
		require.Contains(t, got.text, want.says)
	}
	require.Contains(t, w.as(rosa, http.MethodPost, "/api/scaffolder/v2/autocomplete/gitlab/x", `{"token":"x","context":{}}`).text, "Unsupported provider: gitlab")
}
