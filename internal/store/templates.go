package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gildway/gildway/internal/fault"
)

// NewTemplate is a version of a template with the files beside it.
type NewTemplate struct {
	Ref     string
	Digest  string // over all of it
	Source  string // the YAML as written
	Archive []byte // the folder, as tar.gz

	Origin      string // the source that had it first
	Revision    string // of that source, e.g. a commit; may be empty
	Author      string // of the revision
	CommittedAt *time.Time
}

// TemplateVersion is a template as it was at some time. It never changes.
type TemplateVersion struct {
	Seq         int64 // newer versions have higher ones
	Ref         string
	Digest      string
	Source      string
	LoadedAt    time.Time
	Origin      string
	Revision    string
	Author      string
	CommittedAt *time.Time
}

const versionColumns = `seq, ref, digest, source, loaded_at, origin, revision, author, committed_at`

func scanVersion(row pgx.CollectableRow) (v TemplateVersion, err error) {
	err = row.Scan(&v.Seq, &v.Ref, &v.Digest, &v.Source, &v.LoadedAt, &v.Origin, &v.Revision, &v.Author, &v.CommittedAt)
	return v, err
}

// SaveTemplate keeps a version for good. The same digest again changes nothing, but that files are added to a
// version that was kept without them.
func (s *Store) SaveTemplate(ctx context.Context, n NewTemplate) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `
			insert into templates (digest, ref, source, archive, origin, revision, author, committed_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (digest) do update set archive = excluded.archive, origin = excluded.origin where templates.archive is null`,
			n.Digest, n.Ref, n.Source, n.Archive, n.Origin, n.Revision, n.Author, n.CommittedAt)
		return err
	})
}

// TemplateByDigest finds a version.
func (s *Store) TemplateByDigest(ctx context.Context, digest string) (v TemplateVersion, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+versionColumns+` from templates where digest = $1`, digest)
		if err != nil {
			return err
		}
		v, err = pgx.CollectExactlyOneRow(rows, scanVersion)
		return err
	})
	return v, err
}

// TemplateVersions lists the versions of a template, newest first: those before the given Seq, if it isn't 0.
func (s *Store) TemplateVersions(ctx context.Context, ref string, before int64, limit int) (list []TemplateVersion, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select `+versionColumns+` from templates
			where ref = $1 and ($2 = 0 or seq < $2) order by seq desc limit $3`, ref, before, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanVersion)
		return err
	})
	return list, err
}

// TemplateArchive gives the files of a version as tar.gz. A NotFound fault means that none are kept.
func (s *Store) TemplateArchive(ctx context.Context, digest string) (archive []byte, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, `select archive from templates where digest = $1`, digest).Scan(&archive)
	})
	if err == nil && archive == nil {
		return nil, fault.New(fault.NotFound, "the files of this version of the template are not kept")
	}
	return archive, err
}

// TemplatePlace is where a source has a template, and the last good version of what it has there.
type TemplatePlace struct {
	Place    string // unique in its source
	Ref      string
	Digest   string
	File     string // as problems name it
	ShownURL string // where the template is, as clients are told
	BaseURL  string // what relative URLs that lead out of its folder resolve against
}

// SetTemplatePlaces says what a source has now. What it had beside that is forgotten; versions stay.
func (s *Store) SetTemplatePlaces(ctx context.Context, source string, places []TemplatePlace) error {
	return s.retry(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			// One replica at a time: two in one source would wait for each other's rows.
			if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('template_places ' || $1, 0))`, source); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `delete from template_places where source = $1`, source); err != nil {
				return err
			}
			for _, p := range places {
				_, err := tx.Exec(ctx, `insert into template_places (source, place, ref, digest, file, shown_url, base_url)
					values ($1, $2, $3, $4, $5, $6, $7)`, source, p.Place, p.Ref, p.Digest, p.File, p.ShownURL, p.BaseURL)
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// TemplatePlaces gives what a source had when somebody last looked, by place.
func (s *Store) TemplatePlaces(ctx context.Context, source string) (places []TemplatePlace, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `select place, ref, digest, file, shown_url, base_url from template_places
			where source = $1 order by place collate "C"`, source)
		if err != nil {
			return err
		}
		places, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p TemplatePlace, err error) {
			err = row.Scan(&p.Place, &p.Ref, &p.Digest, &p.File, &p.ShownURL, &p.BaseURL)
			return p, err
		})
		return err
	})
	return places, err
}
