package state_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/state"
)

// silent makes a store whose server does with each connection what serve does.
func silent(t *testing.T, serve func(net.Conn)) *state.Store {
	t.Helper()
	cfg, err := state.ConnConfig("postgres://feed:secret@127.0.0.1:5432/app?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	var servers sync.WaitGroup
	cfg.ConnConfig.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		servers.Go(func() { serve(server) })
		return client, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close(); servers.Wait() })
	return state.New(pool)
}

// A dead server must not hold a publisher for ever: every call ends in seconds.
func TestCallsEndWhereTheServerIsSilent(t *testing.T) {
	tests := map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"FromTheStart": {serve: swallow, want: "deadline"},
		"AfterTheLogin": {serve: func(conn net.Conn) {
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err != nil {
				return
			}
			backend.Send(&pgproto3.AuthenticationOk{})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			if backend.Flush() == nil {
				swallow(conn)
			}
		}, want: "has not answered within 10s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := silent(t, tt.serve)
				begun := time.Now()
				_, _, err := s.Claim(t.Context(), "main")
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q in it", err, tt.want)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the password is in %q", err)
				}
				if took := time.Since(begun); took > 11*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// swallow reads what comes and says nothing.
func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestAMalformedConnectionStringIsNotRepeated(t *testing.T) {
	for _, dsn := range []string{"postgres://feed:secret@host:port/app", "password='secret", "postgres://feed:sec%ret@h/app"} {
		if _, err := state.ConnConfig(dsn); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "ret@") {
			t.Errorf("%q: %v, want an error without the password", dsn, err)
		}
	}
}
