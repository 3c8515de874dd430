//go:build linux

package main_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
)

func TestSecrets_StandInVaultAlone(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "sue")
	service, access := p.submitService(t, "discreet-service"), p.submitAccess(t, manyTokens)
	access.approve(t)
	service.completes(t)
	access.completes(t)

	secrets := map[string]string{}
	for _, r := range []run{service, access} {
		collected, err := p.Collect(t.Context(), r.id)
		require.NoError(t, err)
		require.Len(t, collected, 1)
		secrets["the wrapping token of "+r.id] = collected[0].WrappingToken
		token := unwrap(t, shared(t), collected[0].WrappingToken)
		secrets["the token of "+r.id] = token
		own, err := shared(t).vault(t, token).KVv2(keyMount).Get(t.Context(), r.keyPath())
		require.NoError(t, err)
		secrets["the key of "+r.id] = own.Data["key"].(string)
	}
	secrets["the operator's Vault token"] = shared(t).endpoints.VaultToken
	secrets["the requester's token"] = p.token
	for provider, credential := range shared(t).endpoints.Providers {
		if _, password, ok := strings.Cut(credential, ":"); ok {
			credential = password
		}
		secrets["the credential for "+provider] = credential
	}

	everywhere := map[string]string{}
	for _, r := range []run{service, access} {
		_, raw := p.ask(t, "GET", tasksPath+"/"+r.id, "")
		everywhere["the task "+r.id] = string(raw)
		_, raw = p.ask(t, "GET", tasksPath+"/"+r.id+"/eventstream", "")
		require.Contains(t, string(raw), "event: completion")
		everywhere["the events of "+r.id] = string(raw)
	}
	for _, id := range []string{service.id, access.id, "lease/" + access.id + "/key", "lease/" + access.id + "/membership"} {
		var text strings.Builder
		for _, e := range shared(t).history(t, id) {
			raw, err := protojson.Marshal(e)
			require.NoError(t, err)
			text.Write(raw)
		}
		everywhere["the history of "+id] = text.String()
	}
	for name, text := range shared(t).databases(t) {
		everywhere["the database "+name] = text
	}
	logs, err := filepath.Glob(filepath.Join(shared(t).dir, "logs", "*"))
	require.NoError(t, err)
	for _, file := range append(logs, shared(t).output) {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		everywhere[file] = string(raw)
	}

	// What is known to be there is found: the search sees what it is meant to see.
	require.True(t, holds(everywhere["the task "+access.id], "Summarise what customers write"))
	require.True(t, holds(everywhere["the history of "+access.id], access.keyPath()))
	require.True(t, holds(everywhere["the database gildway"], access.keyPath()))
	require.True(t, holds(everywhere["the database gildway_temporal"], access.keyPath()))
	for what, secret := range secrets {
		require.Greater(t, len(secret), 16, what)
		for where, text := range everywhere {
			require.False(t, holds(text, secret), "%s stands in %s", what, where)
		}
	}
}

// holds looks for a word as it is and in the ways in which JSON, URLs and Postgres write bytes.
func holds(text, word string) bool {
	forms := []string{word, hex.EncodeToString([]byte(word)), url.QueryEscape(word)}
	for shift := range 3 { // where in base64's groups of three the word begins
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat(" ", shift) + word))
			forms = append(forms, encoded[4:len(encoded)-4]) // without what depends on the neighbours
		}
	}
	for _, form := range forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// databases writes out every row of every table, the engine's own included.
func (s *localStack) databases(t *testing.T) map[string]string {
	t.Helper()
	ctx := t.Context()
	server, err := pgx.Connect(ctx, s.endpoints.Postgres)
	require.NoError(t, err)
	defer server.Close(context.WithoutCancel(ctx))
	names := column(t, server, `select datname from pg_database where not datistemplate and datallowconn`)
	all := map[string]string{}
	for _, name := range names {
		config := server.Config().Copy()
		config.Database = name
		db, err := pgx.ConnectConfig(ctx, config)
		require.NoError(t, err)
		var text strings.Builder
		for _, table := range column(t, db, `select format('%I.%I', table_schema, table_name) from information_schema.tables
			where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`) {
			for _, row := range column(t, db, `select row_to_json(r)::text from `+table+` r`) {
				text.WriteString(row)
			}
		}
		all[name] = text.String()
		require.NoError(t, db.Close(ctx))
	}
	return all
}

func column(t *testing.T, db *pgx.Conn, query string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), query)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return values
}
