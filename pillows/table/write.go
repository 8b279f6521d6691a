package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/pillows"
)

const (
	// maxAttempts is how often a chunk is written that meets a deadlock.
	maxAttempts = 5
	// retryDelay is the greatest wait before the first of them; each later one
	// may wait as much more. Without it the other side of the deadlock, which has
	// yet to wake up, would find its lock taken again.
	retryDelay = 50 * time.Millisecond
)

// write writes a chunk and settles what the guard refuses. It returns the items
// that the server refuses for what is in them; all others are then written.
func (p *Processor) write(ctx context.Context, b *pillows.Batch, rows []row) ([]pillows.ItemError, error) {
	superseded, err := p.apply(ctx, rows)
	for attempt := 1; attempt < maxAttempts && hasClass(err, "40"); attempt++ {
		p.log.DebugContext(ctx, "writing a chunk again", "attempt", attempt, "error", err)
		if err := wait(ctx, retryDelay*time.Duration(attempt)); err != nil {
			return nil, err
		}
		superseded, err = p.apply(ctx, rows)
	}
	switch {
	case err == nil:
		for _, item := range superseded {
			b.Settle(item, pillows.Superseded)
		}
		return nil, nil
	case !hasClass(err, dataClasses...):
		return nil, err
	case len(rows) == 1:
		return []pillows.ItemError{{Index: rows[0].item, Err: fmt.Errorf("PostgreSQL refuses the row in %s: %w", p.report, err)}}, nil
	}
	half := len(rows) / 2
	failed, err := p.write(ctx, b, rows[:half])
	if err != nil {
		return nil, err
	}
	more, err := p.write(ctx, b, rows[half:])
	return append(failed, more...), err
}

// wait waits for a random part of at least half of limit.
func wait(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit/2 + rand.N(limit/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dataClasses are the classes of errors that the content of rows causes, our
// statements being what they are: data exceptions, constraints, WITH CHECK
// OPTION, limits of size and depth, and what a trigger raises.
var dataClasses = []string{"22", "23", "44", "54", "P0"}

// hasClass reports whether err is an error of the server's whose SQLSTATE starts
// with one of these: a class is the first two characters.
func hasClass(err error, classes ...string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.ContainsFunc(classes, func(class string) bool { return strings.HasPrefix(e.Code, class) })
}

// apply writes rows in one transaction, all or nothing, and returns the items
// that the guard refused.
func (p *Processor) apply(ctx context.Context, rows []row) (superseded []int, err error) {
	pooled, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer pooled.Release()
	conn := pooled.Conn().PgConn()
	defer rollBack(ctx, conn)

	accepted, superseded, err := p.raiseGuard(ctx, conn, rows)
	if err != nil {
		return nil, err
	}
	var batch pgconn.Batch
	p.queueRemove(&batch, accepted)
	p.queueSave(&batch, accepted)
	batch.ExecParams("COMMIT", nil, nil, nil, nil)
	_, err = conn.ExecBatch(ctx, &batch).ReadAll()
	return superseded, err
}

// rollBack ends a transaction that is still open, so that the connection can be
// used again. Where it cannot, the pool closes the connection.
func rollBack(ctx context.Context, conn *pgconn.PgConn) {
	const idle = 'I'
	if conn.IsClosed() || conn.TxStatus() == idle {
		return
	}
	_, _ = conn.Exec(ctx, "ROLLBACK").ReadAll()
}

// raiseGuard begins a transaction, and tells the rows that may be written from
// the items that may not, by the version that the guard had.
func (p *Processor) raiseGuard(ctx context.Context, conn *pgconn.PgConn, rows []row) (accepted []row, superseded []int, err error) {
	ids := textArray(len(rows), func(i int) []byte { return []byte(rows[i].id) })
	versions := textArray(len(rows), func(i int) []byte { return rows[i].version })
	var deleted [][]byte
	for i := range rows {
		if rows[i].deletion {
			deleted = append(deleted, []byte(rows[i].id))
		}
	}
	deletions := textArray(len(deleted), func(i int) []byte { return deleted[i] })
	var batch pgconn.Batch
	batch.ExecParams("BEGIN ISOLATION LEVEL READ COMMITTED", nil, nil, nil, nil)
	batch.ExecParams(p.sql.guard, [][]byte{ids, versions, []byte(p.report), deletions},
		[]uint32{textArrayOID, textArrayOID, textOID, textArrayOID}, []int16{binaryFormat, binaryFormat, binaryFormat, binaryFormat}, nil)
	results, err := conn.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	raised := results[len(results)-1].Rows
	if len(raised) == len(rows) {
		return rows, nil, nil
	}
	newer := make(map[string]bool, len(raised))
	for _, r := range raised {
		newer[string(r[0])] = true
	}
	for _, r := range rows {
		if newer[r.id] {
			accepted = append(accepted, r)
		} else {
			superseded = append(superseded, r.item)
		}
	}
	return accepted, superseded, nil
}

// binaryFormat is the format code of a parameter in binary form.
const binaryFormat int16 = 1

// queueRemove adds the deletions among rows to a batch.
func (p *Processor) queueRemove(batch *pgconn.Batch, rows []row) {
	var keys [][]byte
	for i := range rows {
		if rows[i].deletion && rows[i].key != nil {
			keys = append(keys, rows[i].key)
		}
	}
	if len(keys) == 0 {
		return
	}
	array := textArray(len(keys), func(i int) []byte { return keys[i] })
	batch.ExecParams(p.sql.remove, [][]byte{array}, []uint32{textArrayOID}, []int16{binaryFormat}, nil)
}

// queueSave adds the others to a batch.
func (p *Processor) queueSave(batch *pgconn.Batch, rows []row) {
	saves := make([]*row, 0, len(rows))
	for i := range rows {
		if !rows[i].deletion {
			saves = append(saves, &rows[i])
		}
	}
	if len(saves) == 0 {
		return
	}
	arrays := make([][]byte, 0, len(p.columns)+1)
	for c := range p.columns {
		arrays = append(arrays, textArray(len(saves), func(i int) []byte { return saves[i].values[c] }))
	}
	arrays = append(arrays, textArray(len(saves), func(i int) []byte { return saves[i].version }))
	oids, formats := make([]uint32, len(arrays)), make([]int16, len(arrays))
	for i := range arrays {
		oids[i], formats[i] = textArrayOID, binaryFormat
	}
	batch.ExecParams(p.sql.save, arrays, oids, formats, nil)
}
