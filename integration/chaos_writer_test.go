package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// hotOrders is how many orders all writers work on. A writer's large
// transactions are on orders of its own, above.
const hotOrders = 3000

// mostRows is the size of the largest transaction.
const mostRows = 20_000

// writer makes transactions of all kinds on a connection of its own.
type writer struct {
	dsn    string
	rand   *rand.Rand
	conn   *pgx.Conn // nil: to be connected
	copied int64     // the last order of its own
	done   *atomic.Int64
}

func newWriter(dsn string, seed, number uint64, done *atomic.Int64) *writer {
	return &writer{dsn: dsn, rand: rand.New(rand.NewPCG(seed, number)), copied: int64(number+1) * 1e9, done: done}
}

// run writes until ctx ends. It goes on after the server was away.
func (w *writer) run(ctx context.Context, t *testing.T) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		err := w.transaction(ctx)
		if conflict(err) {
			continue
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code[:2] != "57" && ctx.Err() == nil {
			t.Errorf("write: %v", err)
			return
		}
		if err != nil { // the server is away
			w.disconnect(ctx)
			<-again.C
			continue
		}
		w.done.Add(1)
	}
	w.disconnect(ctx)
}

func (w *writer) disconnect(ctx context.Context) {
	if w.conn != nil {
		w.conn.Close(context.WithoutCancel(ctx))
		w.conn = nil
	}
}

// conflict reports whether a transaction was refused for what others did at the
// same time, or because what it needs is not there.
func conflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code[:2] == "40" || e.Code[:2] == "23")
}

// transaction makes one transaction.
func (w *writer) transaction(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = pgx.Connect(ctx, w.dsn); err != nil {
			return err
		}
	}
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx)) // of what has failed
		}
	}()
	if w.rand.IntN(800) == 0 {
		err = w.large(ctx, tx)
	}
	for n := 1 + w.rand.IntN(3); n > 0 && err == nil; n-- {
		err = w.small(ctx, tx)
	}
	switch {
	case err != nil:
		return err
	case w.rand.IntN(20) == 0:
		return tx.Rollback(ctx)
	default:
		return tx.Commit(ctx)
	}
}

// small does something to a few of the orders that all writers share. Now and
// then it takes half of it back.
func (w *writer) small(ctx context.Context, tx pgx.Tx) error {
	if w.rand.IntN(8) != 0 {
		return w.statement(ctx, tx)
	}
	inner, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	for range 2 {
		if err := w.statement(ctx, inner); err != nil {
			return err
		}
	}
	if w.rand.IntN(3) == 0 {
		return inner.Commit(ctx)
	}
	if err := inner.Rollback(ctx); err != nil {
		return err
	}
	return w.statement(ctx, tx)
}

// statements have the ids of two orders as parameters, the lower one first, so
// that few transactions wait for each other in a circle.
var statements = []string{
	"INSERT INTO orders VALUES ($1::bigint, 'acme'), ($2::bigint, 'acme') ON CONFLICT (id) DO UPDATE SET state = orders.state + 1",
	"INSERT INTO orders SELECT n, 'acme' FROM generate_series($1::bigint, $1::bigint + ($2::bigint - $1::bigint) % 20) n ON CONFLICT (id) DO UPDATE SET deleted_on = NULL",
	"UPDATE orders SET state = state + 1 WHERE id IN ($1::bigint, $2::bigint)",
	"UPDATE orders SET state = state + 1 WHERE id = $1::bigint OR id = $2::bigint AND state % 2 = 0",
	"UPDATE orders SET deleted_on = CASE WHEN deleted_on IS NULL THEN now() END WHERE id IN ($1::bigint, $2::bigint)",
	"DELETE FROM orders WHERE id IN ($1::bigint, $2::bigint)",
	"UPDATE orders SET id = $2::bigint WHERE id = $1::bigint",
	"INSERT INTO order_lines (order_id, note) VALUES ($1::bigint, 'a'), ($2::bigint, 'b')",
	"UPDATE order_lines SET note = note || 'x' WHERE order_id IN ($1::bigint, $2::bigint)",
	"UPDATE order_lines SET order_id = $2::bigint WHERE order_id = $1::bigint",
	"DELETE FROM order_lines WHERE order_id IN ($1::bigint, $2::bigint)",
	"INSERT INTO events (note) SELECT 'x' FROM generate_series(0, ($2::bigint - $1::bigint) % 4)",
	"UPDATE events SET note = 'y' WHERE id = $1::bigint + $2::bigint",
	"DELETE FROM events WHERE id = $1::bigint * 3 + $2::bigint % 3",
}

func (w *writer) statement(ctx context.Context, tx pgx.Tx) error {
	first := 1 + w.rand.Int64N(hotOrders)
	second := first + 1 + w.rand.Int64N(hotOrders)
	_, err := tx.Exec(ctx, statements[w.rand.IntN(len(statements))], first, second)
	return err
}

// large copies many rows, and does something to those that it copied before.
func (w *writer) large(ctx context.Context, tx pgx.Tx) error {
	rows := int64(math.Exp(w.rand.Float64() * math.Log(mostRows))) // as many of tens as of thousands
	first := w.copied
	w.copied += rows // used up, whatever becomes of the transaction
	var sql string
	switch w.rand.IntN(5) {
	case 0:
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"note"}, pgx.CopyFromSlice(int(rows), func(int) ([]any, error) {
			return []any{"copied"}, nil
		}))
		return err
	case 1, 2:
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "tenant"}, pgx.CopyFromSlice(int(rows), func(i int) ([]any, error) {
			return []any{first + int64(i), "acme"}, nil
		}))
		return err
	case 3:
		sql = "UPDATE orders SET state = state + 1 WHERE id > %d AND id < %d"
	default:
		sql = "DELETE FROM orders WHERE id > %d AND id < %d"
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(sql, first-rows, first))
	return err
}
