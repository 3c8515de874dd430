package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// ourOwn says, of actions that Backstage has too, where their schemas differ on purpose.
var ourOwn = map[string]string{
	"input of catalog:register":  "one schema with either URL in place of two schemas: the editor shows one form, and the same inputs are taken",
	"output of catalog:register": "Backstage declares none and gives two; they are declared, so that lint knows them",
	"input of fetch:template":    "a list of types is written as oneOf",
}

// notHere are recorded actions of Backstage's GitHub module that Gildway doesn't have; lint says so of a template that
// uses one.
var notHere = []string{
	"github:actions:dispatch", "github:autolinks:create", "github:branch-protection:create", "github:deployKey:create",
	"github:environment:create", "github:issues:create", "github:issues:label", "github:pages:enable", "github:repo:create",
	"github:repo:push", "github:webhook",
}

// Actions are listed as Backstage lists them. Titles, descriptions and examples are our own.
func TestActions_Recording_SchemasAreTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trying)
	rec := recordings(t, "actions")[0]
	got := w.as(rosa, http.MethodGet, rec.Request.Path, nil)
	require.Equal(t, rec.Response.Status, got.status)
	require.Equal(t, rec.Response.Headers["content-type"], got.header.Get("Content-Type"))
	type action struct {
		ID     string
		Schema struct{ Input, Output any }
	}
	var want, have []action
	require.NoError(t, json.Unmarshal(rec.Response.Body, &want))
	require.NoError(t, json.Unmarshal([]byte(got.text), &have))
	for _, a := range want {
		i := slices.IndexFunc(have, func(h action) bool { return h.ID == a.ID })
		if i < 0 {
			require.Contains(t, notHere, a.ID)
			continue
		}
		compare := func(what string, theirs, ours any) {
			if ourOwn[what] != "" {
				require.NotEqual(t, plain(theirs), plain(ours), "%s is the same now", what)
				return
			}
			require.Equal(t, plain(theirs), plain(ours), what)
		}
		compare("input of "+a.ID, a.Schema.Input, have[i].Schema.Input)
		compare("output of "+a.ID, a.Schema.Output, have[i].Schema.Output)
	}
}

// plain is a schema without what is said to people, and without what says nothing.
func plain(schema any) any {
	switch s := schema.(type) {
	case []any:
		for i := range s {
			s[i] = plain(s[i])
		}
	case map[string]any:
		for _, key := range []string{"$schema", "title", "description", "examples", "default"} {
			if _, isText := s[key].(string); isText || key == "default" || key == "examples" {
				delete(s, key)
			}
		}
		for key, value := range s {
			if of, ok := value.(map[string]any); value == true || ok && len(of) == 0 && (key == "additionalProperties" || key == "items") {
				delete(s, key)
				continue
			}
			s[key] = plain(value)
		}
	}
	return schema
}
