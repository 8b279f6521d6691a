package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// The check and the rows travel together; what the store promises stands on each
// statement of such a batch having a snapshot of its own.
func TestEachStatementOfABatchTakesANewSnapshot(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int)`)
	const lock = 4711
	holder, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", lock); err != nil {
		t.Fatal(err)
	}

	var before, after int
	var firstXmax, lastXmax uint64
	var batch pgx.Batch
	const count = "SELECT count(*), pg_snapshot_xmax(pg_current_snapshot()) FROM documents"
	batch.Queue(count).QueryRow(func(row pgx.Row) error { return row.Scan(&before, &firstXmax) })
	batch.Queue("SELECT pg_advisory_xact_lock($1)", lock)
	batch.Queue(count).QueryRow(func(row pgx.Row) error { return row.Scan(&after, &lastXmax) })
	sent := make(chan error, 1)
	go func() { sent <- pool.SendBatch(t.Context(), &batch).Close() }()

	// The batch has come to its second statement when somebody waits for the lock.
	for waiting := false; !waiting; {
		const asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted)"
		if err := holder.QueryRow(t.Context(), asked, lock).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, pool, `INSERT INTO documents VALUES (1)`)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock($1)", lock); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if before != 0 || after != 1 || lastXmax <= firstXmax {
		t.Errorf("%d rows in the first statement's snapshot and %d in the last one's, of xmax %d and %d: want 0 and 1, and a later snapshot",
			before, after, firstXmax, lastXmax)
	}
}

// The writer announces each state before it commits it, as a change that is
// faster than the commit: the reader must never be given the state before.
func TestNoReadIsOlderThanItsHorizonHoweverEarlyTheChangeArrives(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY, state int); INSERT INTO documents VALUES (1, 0)`)
	var waits atomic.Int64
	store := newStore(t, pool, patient, func(cfg *postgres.Config) { cfg.OnWait = func() { waits.Add(1) } })
	type announced struct {
		state int
		at    docstore.Horizon
	}
	changes := make(chan announced)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for c := range changes {
			results, err := store.GetMany(t.Context(), c.at, []string{"1"})
			if err != nil {
				t.Errorf("state %d: %v", c.state, err)
				continue
			}
			var state int
			if _, err := fmt.Sscanf(string(results[0].Document.Body), `{"id": 1, "state": %d}`, &state); err != nil || state < c.state {
				t.Errorf("document %s (%v) after state %d was announced", results[0].Document.Body, err, c.state)
			}
		}
	})
	defer close(changes)
	const saves = 300
	for i := range saves {
		tx, at := begin(t, pool, `UPDATE documents SET state = $1 WHERE id = 1`, i+1)
		changes <- announced{i + 1, at}
		commit(t, tx)
	}
	t.Logf("%d of %d reads had to wait", waits.Load(), saves)
}

func TestWhatIsNotVisibleIsNamed(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	store := newStore(t, pool)
	_, at := begin(t, pool, `INSERT INTO documents VALUES (2)`)
	xid := at["main"].XIDs[0]
	_, err := store.GetMany(t.Context(), at, []string{"1"})
	if !errors.Is(err, docstore.ErrNotVisible) || !strings.Contains(err.Error(), fmt.Sprint(xid)) || !strings.Contains(err.Error(), "main") {
		t.Errorf("GetMany: %v, want ErrNotVisible that names source main and transaction %d", err, xid)
	}
	for i := range uint64(400) {
		at["main"].XIDs = append(at["main"].XIDs, xid+1+i)
	}
	_, err = store.GetMany(t.Context(), at, []string{"1"})
	if err == nil || !strings.Contains(err.Error(), "and 396 more") {
		t.Errorf("GetMany: %v, want an error that counts transactions beyond the first few", err)
	}
}

func TestAHorizonWithoutTransactionsWaitsForNothingOnThePrimary(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	at := docstore.Horizon{"main": {Epoch: 1, LSN: 1 << 50}}
	if r := getMany(t, newStore(t, pool), at, "1")[0]; r.Err != nil {
		t.Error(r.Err)
	}
}
