package store

import (
	"context"

	"github.com/gildway/gildway/internal/notice"
)

// Notify puts a notice where it waits to be sent. One with the same key again is nothing.
func (s *Store) Notify(ctx context.Context, n notice.Notice) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			insert into notices (key, kind, recipients, task, title, body, link, due) values ($1, $2, $3, nullif($4, '')::uuid, $5, $6, $7, $8)
			on conflict (key) do nothing`,
			n.Key, string(n.Kind), n.To, n.Task, n.Title, n.Text, n.Link, n.Due)
		return err
	})
}
