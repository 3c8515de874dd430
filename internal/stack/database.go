package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// adminDatabase exists on every server and is connected to while others are created.
const adminDatabase = "postgres"

// database is the URL of a database on a Postgres server.
type database struct{ url string }

func (d database) name() string {
	if u, err := url.Parse(d.url); err == nil && len(u.Path) > 1 {
		return u.Path[1:]
	}
	return MainDatabase
}

// with is the URL of another database on the same server.
func (d database) with(name string) (string, error) {
	u, err := url.Parse(d.url)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Host == "" {
		return "", errors.New("the Postgres URL must look like postgres://user:password@host:port/database")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// create makes the database unless it exists and returns its URL.
func (d database) create(ctx context.Context, name string) (string, error) {
	wanted, err := d.with(name)
	if err != nil {
		return "", err
	}
	if conn, err := pgx.Connect(ctx, wanted); err == nil {
		return wanted, conn.Close(ctx)
	} else if !isCode(err, "3D000") { // anything but "database does not exist"
		return "", fmt.Errorf("database %s: %w", name, err)
	}
	admin, err := d.with(adminDatabase)
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return "", fmt.Errorf("database %s: %w", adminDatabase, err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if err != nil && !isCode(err, "42P04") && !isCode(err, "23505") { // somebody else was faster
		return "", fmt.Errorf("creating database %s: %w", name, err)
	}
	return wanted, nil
}

func isCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// login is what a program needs that takes no URL.
type login struct{ address, user, password string }

func (d database) login() (login, error) {
	cfg, err := pgx.ParseConfig(d.url)
	if err != nil {
		return login{}, err
	}
	if cfg.TLSConfig != nil && len(cfg.Fallbacks) == 0 {
		return login{}, errors.New("the local stack's Temporal speaks to Postgres without TLS: drop sslmode from the URL")
	}
	return login{
		address: net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), user: cfg.User, password: cfg.Password,
	}, nil
}

func (d database) answers(ctx context.Context) error {
	admin, err := d.with(adminDatabase)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}
