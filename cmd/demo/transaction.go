package demo

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transactionTimeout ends the demo where the database no longer answers.
const transactionTimeout = 30 * time.Second

// transaction is one transaction of the writer. It knows which orders it has
// changed; what happened since a savepoint is forgotten with it. Statements are
// sent together, by flush and at the end.
type transaction struct {
	conn    *pgx.Conn
	tracker *tracker
	batch   *pgx.Batch // not sent yet
	xid     uint64
	// changed has the orders, and whether only their lines have changed.
	changed map[int64]bool
	// before is what was changed when the savepoint was set.
	before map[int64]bool
}

// begin begins a transaction and locks those of the wanted orders that exist and
// that nobody else has locked. Nobody waits for a lock, so there is no deadlock.
func begin(ctx context.Context, conn *pgx.Conn, t *tracker, wanted []int64) (*transaction, []int64, error) {
	tx := &transaction{conn: conn, tracker: t, batch: &pgx.Batch{}, changed: make(map[int64]bool)}
	tx.batch.Queue("BEGIN")
	tx.batch.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error {
		var text string
		err := row.Scan(&text)
		if err == nil {
			tx.xid, err = strconv.ParseUint(text, 10, 64)
		}
		return err
	})
	if len(wanted) == 0 {
		return tx, nil, nil
	}
	var locked []int64
	tx.batch.Queue("SELECT order_id FROM orders WHERE order_id = ANY ($1::bigint[]) ORDER BY order_id FOR UPDATE SKIP LOCKED", wanted).
		Query(func(rows pgx.Rows) (err error) {
			locked, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
	err := tx.flush(ctx)
	return tx, locked, err
}

// orders queues a statement that changes all of the orders, its only parameter.
func (tx *transaction) orders(sql string, orders []int64) {
	if len(orders) == 0 {
		return
	}
	tx.batch.Queue(sql, orders).Exec(func(tag pgconn.CommandTag) error {
		if n := tag.RowsAffected(); n != int64(len(orders)) {
			return fmt.Errorf("%d orders were changed instead of %d by: %s", n, len(orders), sql)
		}
		for _, order := range orders {
			tx.changed[order] = false
		}
		return nil
	})
}

// lines queues a statement that changes lines of some of the orders, its only
// parameter, and that returns the order of each.
func (tx *transaction) lines(sql string, orders []int64) {
	if len(orders) == 0 {
		return
	}
	tx.batch.Queue(sql, orders).Query(func(rows pgx.Rows) error {
		changed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		for _, order := range changed {
			if _, known := tx.changed[order]; !known {
				tx.changed[order] = true
			}
		}
		return err
	})
}

func (tx *transaction) savepoint() {
	tx.batch.Queue("SAVEPOINT attempt").Exec(func(pgconn.CommandTag) error {
		tx.before = maps.Clone(tx.changed)
		return nil
	})
}

// rollbackTo queues the undoing of what was done since the savepoint.
func (tx *transaction) rollbackTo() {
	tx.batch.Queue("ROLLBACK TO SAVEPOINT attempt").Exec(func(pgconn.CommandTag) error {
		tx.changed = maps.Clone(tx.before)
		return nil
	})
}

// flush sends what is queued and reads the answers.
func (tx *transaction) flush(ctx context.Context) error {
	batch := tx.batch
	tx.batch = &pgx.Batch{}
	return tx.conn.SendBatch(ctx, batch).Close()
}

func (tx *transaction) rollback(ctx context.Context) error {
	tx.batch.Queue("ROLLBACK")
	return tx.flush(ctx)
}

// commit commits, and returns the number of changes that come of it.
func (tx *transaction) commit(ctx context.Context) (int, error) {
	if err := tx.flush(ctx); err != nil {
		return 0, err
	}
	tx.tracker.expect(tx.xid, tx.changed)
	if _, err := tx.conn.Exec(ctx, "COMMIT"); err != nil {
		return 0, err
	}
	tx.tracker.committed(tx.xid, tx.changed)
	return len(tx.changed), nil
}
