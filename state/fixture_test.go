package state_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/state"
)

// openPool opens a pool as ConnConfig makes it.
func openPool(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := state.ConnConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// newPool opens a pool for a new database.
func newPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return openPool(t, localpgtest.Database(t))
}

// newStore returns a store whose tables have been made.
func newStore(t *testing.T) (*state.Store, *pgxpool.Pool) {
	t.Helper()
	pool := newPool(t)
	s := state.New(pool)
	migrate(t, s)
	return s, pool
}

func migrate(t *testing.T, s *state.Store) {
	t.Helper()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// query returns the one value of a query.
func query[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (value T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

var roles atomic.Int64

// newRole makes a role without rights, and returns its name, which needs its
// quotes, and a connection string for it.
func newRole(t *testing.T, owner *pgxpool.Pool, dsn string) (name, roleDSN string) {
	t.Helper()
	name = fmt.Sprintf("State role %d", roles.Add(1))
	execute(t, owner, `CREATE ROLE "`+name+`" LOGIN`)
	t.Cleanup(func() {
		if _, err := owner.Exec(context.Background(), `DROP OWNED BY "`+name+`"; DROP ROLE "`+name+`"`); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(name)
	return name, u.String()
}

// refused wants a *state.SchemaError with these texts.
func refused(t *testing.T, err error, texts ...string) {
	t.Helper()
	_ = refusalOf(t, err, texts...)
}

// refusalOf is refused, for those who want to look at the error.
func refusalOf(t *testing.T, err error, texts ...string) *state.SchemaError {
	t.Helper()
	refusal, ok := errors.AsType[*state.SchemaError](err)
	if !ok {
		t.Fatalf("error %v, want a *state.SchemaError", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
	return refusal
}

// checkpoint returns one with every field set, at a log position.
func checkpoint(epoch uint32, lsn uint64) state.Checkpoint {
	return state.Checkpoint{
		System: "7300000000000000001", Timeline: 3, Epoch: epoch, LSN: lsn,
		Acknowledged: changefeed.Position{Source: "main", Epoch: epoch, LSN: lsn, Ordinal: 1<<64 - 1},
		Offsets:      changefeed.Offsets{"orders": {0, 1 << 60}, "parts": {7}},
		Layout:       "routes 1", Closed: true,
	}
}
