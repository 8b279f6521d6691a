package table_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/docstore"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

// idColumn is the primary key of most tests' tables.
var idColumn = table.Column{Name: "id", Path: "_id", Type: "text", PrimaryKey: true}

// report returns the configuration of a table with an id and more columns.
func report(columns ...table.Column) table.Config {
	return table.Config{Name: "report", Columns: append([]table.Column{idColumn}, columns...)}
}

// totals is a table with one number.
func totals() table.Config {
	return report(table.Column{Name: "total", Path: "total", Type: "numeric"})
}

func openPool(tb testing.TB, dsn string) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// newPool connects to an empty database.
func newPool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return openPool(tb, localpgtest.Database(tb))
}

// empty drops all tables of a database.
func empty(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	execute(tb, pool, "DROP SCHEMA IF EXISTS changefeed CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
}

func newProcessor(tb testing.TB, pool *pgxpool.Pool, cfg table.Config) *table.Processor {
	tb.Helper()
	p, err := table.New(cfg, table.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func item(id string, version int64) pillows.Item {
	return pillows.Item{Change: changefeed.Change{
		Meta:    changefeed.Meta{DocumentID: id, DataSourceName: "main/public.orders"},
		Version: changefeed.Version(version),
	}}
}

func save(id string, version int64, body string) pillows.Item {
	i := item(id, version)
	i.Document = docstore.Document{ID: id, Body: json.RawMessage(body)}
	return i
}

func deletion(id string, version int64) pillows.Item {
	i := item(id, version)
	i.Change.Meta.IsDeletion = true
	return i
}

// process gives a processor a batch, which it must take, and returns the verdicts.
func process(tb testing.TB, p *table.Processor, items ...pillows.Item) []pillows.Verdict {
	tb.Helper()
	b := pillows.NewBatch(items)
	if err := p.Process(tb.Context(), b); err != nil {
		tb.Fatalf("Process: %v", err)
	}
	return verdicts(b)
}

func verdicts(b *pillows.Batch) []pillows.Verdict {
	var all []pillows.Verdict
	for i := range b.Items {
		v := b.Verdict(i)
		if v == pillows.Open {
			v = pillows.Applied
		}
		all = append(all, v)
	}
	return all
}

// failures gives a processor a batch and returns the errors of the items that
// fail, by index.
func failures(tb testing.TB, p *table.Processor, items ...pillows.Item) map[int]error {
	tb.Helper()
	failed, err := itemErrors(p.Process(tb.Context(), pillows.NewBatch(items)))
	if err != nil || len(failed) == 0 {
		tb.Fatalf("Process: %v, want a *BatchError", err)
	}
	return failed
}

// itemErrors returns the errors of single items by index, or any other error.
func itemErrors(err error) (map[int]error, error) {
	var batch *pillows.BatchError
	if !errors.As(err, &batch) {
		return nil, err
	}
	failed := make(map[int]error)
	for _, f := range batch.Failed {
		failed[f.Index] = f.Err
	}
	return failed, nil
}

// begin begins a transaction, which is rolled back at the end of the test.
func begin(tb testing.TB, pool *pgxpool.Pool) pgx.Tx {
	tb.Helper()
	tx, err := pool.Begin(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func execute(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	if _, err := pool.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
}

// query returns the rows of a query, each as the text of one value.
func query(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) []string {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), sql, args...)
	if err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			tb.Fatal(err)
		}
		all = append(all, fmt.Sprint(v))
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("run %s: %v", sql, err)
	}
	return all
}

// waitForLock waits until a session of the database waits for a lock.
func waitForLock(ctx context.Context, tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	for waiting := false; !waiting; {
		err := pool.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)`).Scan(&waiting)
		if err != nil {
			tb.Fatalf("wait for a lock: %v", err)
		}
	}
}
