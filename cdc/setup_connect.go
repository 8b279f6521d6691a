package cdc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// Connect opens an ordinary connection for Preflight, Plan and Apply. What is
// running on it when its context ends is cancelled on the server too. Its errors
// hold no password.
func Connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, dsnError(err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "changefeed"
	}
	// By default only the socket is closed: the server would go on to make the
	// slot that nobody waits for any more.
	cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to database: %w", explainConnect(err))
	}
	return conn, nil
}

// dsnError says that a connection string cannot be read without repeating any of
// it, since what is wrong with it may be in its password. A certificate that
// cannot be opened is named.
func dsnError(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("read connection string: %w", file)
	}
	return errors.New("read connection string: it is neither a URL (postgres://user:password@host:5432/database?sslmode=require, " +
		"with special characters of the password percent-encoded) nor a list of key=value pairs that libpq would take: correct dsn")
}
