package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/audit"
	"github.com/gildway/gildway/internal/fault"
)

// auditLock is the advisory lock that makes the log grow by one leaf after the other.
const auditLock = 0x67696c64617564 // "gildaud"

// Audit appends an entry to the tamper-evident log, once per key. Task may be empty.
func (s *Store) Audit(ctx context.Context, task, key, kind, actor string, data map[string]any) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			return appendAudit(ctx, tx, task, key, kind, actor, data)
		})
	})
}

// appendAudit must be the last thing in its transaction: everybody else who audits waits for its end.
func appendAudit(ctx context.Context, tx pgx.Tx, task, key, kind, actor string, data map[string]any) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(auditLock)); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRow(ctx, `select exists(select from audit_leaves where key = $1)`, key).Scan(&there); err != nil || there {
		return err
	}
	body, err := audit.Entry{Task: task, Kind: kind, Actor: actor, At: time.Now(), Data: data}.Encode()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "an audit entry can't be written as JSON")
	}
	var last audit.Leaf
	err = tx.QueryRow(ctx, `select seq, chain from audit_leaves order by seq desc limit 1`).Scan(&last.Seq, &last.Chain)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	leaf := audit.Next(last, body)
	_, err = tx.Exec(ctx, `insert into audit_leaves (seq, key, task, body, hash, chain) values ($1, $2, nullif($3, '')::uuid, $4, $5, $6)`,
		leaf.Seq, key, task, leaf.Body, leaf.Hash, leaf.Chain)
	return err
}

// AuditLeaves lists leaves after a sequence number, oldest first.
func (s *Store) AuditLeaves(ctx context.Context, after int64, limit int) (leaves []audit.Leaf, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select seq, body, hash, chain from audit_leaves where seq > $1 order by seq limit $2`, after, limit)
		if err != nil {
			return err
		}
		leaves, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l audit.Leaf, err error) {
			err = row.Scan(&l.Seq, &l.Body, &l.Hash, &l.Chain)
			return l, err
		})
		return err
	})
	return leaves, err
}
