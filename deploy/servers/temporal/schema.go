package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

// migrate creates what is missing of both databases and brings their schemas
// to the version of this server. Doing it again changes nothing.
func migrate(s settings, logger log.Logger) error {
	for database, schemaName := range map[string]string{
		s.Postgres.Database:           "postgresql/v12/temporal",
		s.Postgres.VisibilityDatabase: "postgresql/v12/visibility",
	} {
		if err := migrateDatabase(s, database, schemaName, logger); err != nil {
			return fmt.Errorf("database %s: %w", database, err)
		}
	}
	return nil
}

func migrateDatabase(s settings, database, schemaName string, logger log.Logger) error {
	if err := sql.DoCreateDatabase(s.sql(database, 1), s.Postgres.AdminDatabase, logger); err != nil && !exists(err) {
		return fmt.Errorf("create: %w", err)
	}
	conn, err := sql.NewConnection(s.sql(database, 1), logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ReadSchemaVersion(); err != nil {
		setup := schema.NewSetupSchemaTask(conn, &schema.SetupConfig{InitialVersion: "0.0"}, logger)
		if err := setup.Run(); err != nil {
			return fmt.Errorf("set up schema: %w", err)
		}
	}
	update := schema.NewUpdateSchemaTask(conn, &schema.UpdateConfig{DBName: database, SchemaName: schemaName}, logger)
	if err := update.Run(); err != nil {
		return fmt.Errorf("update schema: %w", err)
	}
	return nil
}

// exists tells "duplicate database" from other refusals; two servers that
// create it at once meet as a unique violation in the catalog.
func exists(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "42P04" || pg.Code == "23505"
	}
	return strings.Contains(err.Error(), "already exists")
}
