// Package pgtest gives tests a real Postgres: one server for a test process, one database for a test.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/stack"
)

var (
	server  *stack.Stack
	created atomic.Int64
)

// Main starts the server, runs the tests and stops it. Call it as os.Exit(pgtest.Main(m)) in TestMain.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gildway-pgtest")
	if err == nil {
		defer os.RemoveAll(dir)
		err = start(filepath.Join(dir, "state"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	return code
}

func start(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if server, err = stack.StartPostgres(context.WithoutCancel(ctx), stack.Options{StateDir: dir}); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, server.PostgresURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{`alter system set fsync = off`, `select pg_reload_conf()`} { // the data dies with the process
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// URL is a new, empty database of this test's own.
func URL(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("t%d", created.Add(1))
	url, err := server.Database(t.Context(), name)
	require.NoError(t, err)
	return url
}

// Describe lists tables with their columns, indexes and constraints, sorted; goose's own left out.
func Describe(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `
		select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
			from information_schema.columns where table_schema = 'public' and table_name not like 'goose%'
		union all
		select 'index ' || indexdef from pg_indexes where schemaname = 'public' and tablename not like 'goose%'
		union all
		select format('constraint %s on %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
			from pg_constraint where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'goose%'
		order by 1`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}
