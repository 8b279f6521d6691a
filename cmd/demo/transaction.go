package demo

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// transaction is one transaction of the writer. It knows which orders it has
// changed; what happened since a savepoint is forgotten with it.
type transaction struct {
	conn    *pgx.Conn
	tracker *tracker
	xid     uint64
	// changed has the orders, and whether only their lines have changed.
	changed map[int64]bool
	// before is what was changed when the savepoint was set, nil without one.
	before map[int64]bool
}

// begin begins a transaction and locks those of the wanted orders that exist and
// that nobody else has locked. Nobody waits for a lock, so there is no deadlock.
func begin(ctx context.Context, conn *pgx.Conn, t *tracker, wanted []int64) (*transaction, []int64, error) {
	tx := &transaction{conn: conn, tracker: t, changed: make(map[int64]bool)}
	var xid string
	var locked []int64
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	if len(wanted) > 0 {
		batch.Queue("SELECT order_id FROM orders WHERE order_id = ANY ($1::bigint[]) ORDER BY order_id FOR UPDATE SKIP LOCKED", wanted).
			Query(func(rows pgx.Rows) (err error) {
				locked, err = pgx.CollectRows(rows, pgx.RowTo[int64])
				return err
			})
	}
	err := conn.SendBatch(ctx, batch).Close()
	if err == nil {
		tx.xid, err = strconv.ParseUint(xid, 10, 64)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("begin transaction: %w", err)
	}
	return tx, locked, nil
}

// orders runs a statement that changes all of the orders, its only parameter.
func (tx *transaction) orders(ctx context.Context, sql string, orders []int64) error {
	if len(orders) == 0 {
		return nil
	}
	tag, err := tx.conn.Exec(ctx, sql, orders)
	if err != nil {
		return err
	}
	if n := tag.RowsAffected(); n != int64(len(orders)) {
		return fmt.Errorf("%d orders were changed instead of %d by: %s", n, len(orders), sql)
	}
	for _, order := range orders {
		tx.changed[order] = false
	}
	return nil
}

// lines runs a statement that changes lines of some of the orders, its only
// parameter, and that returns the order of each.
func (tx *transaction) lines(ctx context.Context, sql string, orders []int64) error {
	if len(orders) == 0 {
		return nil
	}
	rows, err := tx.conn.Query(ctx, sql, orders)
	if err != nil {
		return err
	}
	changed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, order := range changed {
		if _, known := tx.changed[order]; !known {
			tx.changed[order] = true
		}
	}
	return nil
}

func (tx *transaction) savepoint(ctx context.Context) error {
	tx.before = maps.Clone(tx.changed)
	_, err := tx.conn.Exec(ctx, "SAVEPOINT attempt")
	return err
}

// rollbackTo undoes what was done since the savepoint.
func (tx *transaction) rollbackTo(ctx context.Context) error {
	tx.changed = maps.Clone(tx.before)
	_, err := tx.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT attempt")
	return err
}

func (tx *transaction) rollback(ctx context.Context) error {
	_, err := tx.conn.Exec(ctx, "ROLLBACK")
	return err
}

// commit commits, and returns the number of changes that come of it.
func (tx *transaction) commit(ctx context.Context) (int, error) {
	tx.tracker.expect(tx.xid, tx.changed)
	if _, err := tx.conn.Exec(ctx, "COMMIT"); err != nil {
		return 0, err
	}
	tx.tracker.committed(tx.xid, tx.changed)
	return len(tx.changed), nil
}

// transactionTimeout ends the demo where the database no longer answers.
const transactionTimeout = 30 * time.Second
