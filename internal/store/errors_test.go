package store

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

// What a server says about itself passes; what it says about a statement does not.
func TestClassify_Kinds(t *testing.T) {
	t.Parallel()
	for code, kind := range map[string]fault.Kind{
		"08006": fault.Unavailable, "28P01": fault.Unavailable, "3D000": fault.Unavailable, "40001": fault.Unavailable, "40P01": fault.Unavailable,
		"53300": fault.Unavailable, "55P03": fault.Unavailable, "57P01": fault.Unavailable, "58030": fault.Unavailable, "25006": fault.Unavailable,
		"23505": fault.Conflict, "23503": fault.NotFound, "22P02": fault.Invalid, "42P01": fault.Internal,
	} {
		require.ErrorIs(t, classify(&pgconn.PgError{Code: code}), kind, code)
	}
}
