package postgres_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore"
	"changefeed/docstore/postgres"
	"changefeed/internal/localpg/localpgtest"
)

// openPool opens a pool as ConnConfig makes it, after the changes of prepare.
func openPool(tb testing.TB, dsn string, prepare ...func(*pgxpool.Config)) *pgxpool.Pool {
	tb.Helper()
	cfg, err := postgres.ConnConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	for _, change := range prepare {
		change(cfg)
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(tb.Context()), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// openDatabase opens a pool for a new database.
func openDatabase(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return openPool(tb, localpgtest.Database(tb))
}

func execute(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	if _, err := pool.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// newStore makes a store over public.documents (id, …) of source "main", after
// the changes of prepare.
func newStore(tb testing.TB, pool *pgxpool.Pool, prepare ...func(*postgres.Config)) *postgres.RowStore {
	tb.Helper()
	cfg := postgres.Config{
		Source: "main", Schema: "public", Table: "documents", ID: []string{"id"},
		Primary: pool, VisibilityWait: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range prepare {
		change(&cfg)
	}
	store, err := postgres.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// patient makes a store wait for its horizon until the test commits.
func patient(cfg *postgres.Config) { cfg.VisibilityWait = time.Minute }

func withID(columns ...string) func(*postgres.Config) {
	return func(cfg *postgres.Config) { cfg.ID = columns }
}

// getMany is GetMany without an error of the batch.
func getMany(tb testing.TB, store docstore.Store, at docstore.Horizon, ids ...string) []docstore.Result {
	tb.Helper()
	results, err := store.GetMany(tb.Context(), at, ids)
	if err != nil {
		tb.Fatalf("GetMany(%q): %v", ids, err)
	}
	return results
}

// begin opens a transaction that has run a statement, and returns it with the
// horizon of its changes. It is rolled back at the end of the test unless
// committed.
func begin(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) (pgx.Tx, docstore.Horizon) {
	tb.Helper()
	tx, err := pool.Begin(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(tb.Context())) })
	if _, err := tx.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	var xid uint64
	if err := tx.QueryRow(tb.Context(), "SELECT pg_current_xact_id()").Scan(&xid); err != nil {
		tb.Fatal(err)
	}
	return tx, docstore.Horizon{"main": {Epoch: 1, XIDs: []uint64{xid}}}
}

func commit(tb testing.TB, tx pgx.Tx) {
	tb.Helper()
	if err := tx.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// roundTrips counts the batches and queries that a pool sends.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) trace(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = r }

func (r *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	r.n.Add(1)
	return ctx
}

func (*roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	r.n.Add(1)
	return ctx
}

func (*roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (*roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
