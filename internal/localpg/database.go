package localpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const loopback = "127.0.0.1"

// DSN is the URL of a database through the socket, as the superuser. It needs
// and holds no password. pgx and PostgreSQL's own programs take it, and
// parameters such as replication=database can be added to its query.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode(),
	}
	return u.String()
}

// TCPDSN is the URL of a database through 127.0.0.1, as the superuser. It holds
// the server's password: keep it out of logs and errors.
func (s *Server) TCPDSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
		Host:     net.JoinHostPort(loopback, strconv.Itoa(s.port)),
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	err := s.administer(ctx, func(conn *pgx.Conn) error {
		// template0 has no sessions that could be in the way.
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0")
		return err
	})
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DropDatabase removes a database, its sessions and its replication slots, used
// ones included. It is no error if there is none.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	err := s.administer(ctx, func(conn *pgx.Conn) error {
		// WITH (FORCE) ends sessions, but a slot in use refuses first.
		_, err := conn.Exec(ctx, `SELECT pg_terminate_backend(active_pid, 5000)
			FROM pg_replication_slots WHERE database = $1 AND active_pid IS NOT NULL`, name)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		return err
	})
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// objectInUse is the SQLSTATE of a database whose slots are read or whose
// sessions have not ended yet.
const objectInUse = "55006"

// administer works on the maintenance database, again while what the work is
// about is in use.
func (s *Server) administer(ctx context.Context, work func(*pgx.Conn) error) (err error) {
	s.mu.Lock()
	err = s.usable()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()

	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err = work(conn)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != objectInUse {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
