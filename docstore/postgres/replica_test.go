package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// replicaTest is a store that reads from a standby, and counters of what it asks
// of each server.
type replicaTest struct {
	*pair
	store                    *postgres.RowStore
	log                      bytes.Buffer
	askedPrimary, askedOther roundTrips
}

func newReplicaTest(t *testing.T, p *pair) *replicaTest {
	t.Helper()
	r := &replicaTest{pair: p}
	primary := openPool(t, p.primary.DSN(pairDatabase), r.askedPrimary.trace)
	replica := openPool(t, p.standby.DSN(pairDatabase), r.askedOther.trace)
	r.store = newStore(t, primary, func(cfg *postgres.Config) {
		cfg.Replica = replica
		cfg.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	})
	getMany(t, r.store, anything, "1") // looks up types and identities
	return r
}

// anything is the horizon of a change that every server shows.
var anything = horizon(3, 1)

// wantState reads document 1 and wants a state, and how often each server was
// asked for it.
func (r *replicaTest) wantState(t *testing.T, at docstore.Horizon, state string, primary, replica int64) {
	t.Helper()
	r.askedPrimary.n.Store(0)
	r.askedOther.n.Store(0)
	result := getMany(t, r.store, at, "1")[0]
	want := fmt.Sprintf(`{"id": 1, "state": %q}`, state)
	if result.Err != nil || string(result.Document.Body) != want {
		t.Errorf("document %s and error %v, want %s", result.Document.Body, result.Err, want)
	}
	if p, o := r.askedPrimary.n.Load(), r.askedOther.n.Load(); p != primary || o != replica {
		t.Errorf("the primary was asked %d times and the replica %d times, want %d and %d", p, o, primary, replica)
	}
}

// horizon is that of one change.
func horizon(xid, lsn uint64) docstore.Horizon {
	return docstore.Horizon{"main": {Epoch: 1, XIDs: []uint64{xid}, LSN: lsn}}
}

// One pair of servers serves the tests in the order of a standby's life.
func TestReplica(t *testing.T) {
	whole := t
	p := newPair(t)
	p.replayed(t)
	r := newReplicaTest(t, p)

	t.Run("IsReadAloneWhereItHasReplayedTheHorizon", func(t *testing.T) {
		xid, lsn := p.save(t, "replayed")
		p.replayed(t)
		r.wantState(t, horizon(xid, lsn), "replayed", 0, 1)
	})

	t.Run("IsNotReadWithoutAHorizonOfThisEpoch", func(t *testing.T) {
		r.wantState(t, nil, "replayed", 1, 0)
		r.wantState(t, docstore.Horizon{"other": {Epoch: 1, XIDs: []uint64{3}, LSN: 1}}, "replayed", 1, 0)
		r.wantState(t, docstore.Horizon{"main": {Epoch: 0, XIDs: []uint64{3}, LSN: 1}}, "replayed", 1, 0)
	})

	t.Run("ThatLagsIsNotBelieved", func(t *testing.T) {
		execute(t, p.reader, "SELECT pg_wal_replay_pause()")
		until(t, p.reader, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
		xid, lsn := p.save(t, "not replayed")
		if state := stateOn(t, p.reader); state != "replayed" {
			t.Fatalf("the paused standby shows %q", state)
		}
		r.wantState(t, horizon(xid, lsn), "not replayed", 1, 1)
		execute(t, p.reader, "SELECT pg_wal_replay_resume()")
		p.replayed(t)
		r.wantState(t, horizon(xid, lsn), "not replayed", 0, 1)
	})

	t.Run("NeverGivesAnOlderDocument", func(t *testing.T) {
		const saves = 100
		r.askedPrimary.n.Store(0)
		for i := range saves {
			want := fmt.Sprintf("save %d", i)
			result := getMany(t, r.store, horizon(p.save(t, want)), "1")[0]
			if got := fmt.Sprintf(`{"id": 1, "state": %q}`, want); string(result.Document.Body) != got {
				t.Errorf("document %s and error %v, want %s", result.Document.Body, result.Err, got)
			}
		}
		t.Logf("%d of %d reads went on to the primary", r.askedPrimary.n.Load(), saves)
	})

	t.Run("IsNotAskedAboutTransactions", func(t *testing.T) {
		// Other writes carry the standby past every position; the transaction
		// stays open.
		tx, at := begin(t, p.owner, `UPDATE documents SET state = 'open' WHERE id = 1`)
		execute(t, p.owner, "SELECT pg_logical_emit_message(true, 'test', 'something')")
		p.replayed(t)
		xid := at["main"].XIDs[0]
		var called bool
		if err := p.reader.QueryRow(t.Context(), "SELECT pg_visible_in_snapshot($1::xid8, pg_current_snapshot())", xid).Scan(&called); err != nil {
			t.Fatal(err)
		}
		t.Logf("the standby calls the open transaction visible: %v", called)
		at["main"].LSN = 1 << 50
		if _, err := r.store.GetMany(t.Context(), at, []string{"1"}); !errors.Is(err, docstore.ErrNotVisible) {
			t.Errorf("GetMany: %v, want ErrNotVisible", err)
		}
		commit(t, tx)
	})

	t.Run("ThatIsDownIsLeftAloneForAWhile", func(t *testing.T) {
		xid, lsn := p.save(t, "while it is down")
		halt(t, p.standby)
		r.log.Reset()
		if result := getMany(t, r.store, horizon(xid, lsn), "1")[0]; result.Err != nil {
			t.Error(result.Err)
		}
		r.wantState(t, horizon(xid, lsn), "while it is down", 1, 0)
		if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, r.log.String())
		}
	})

	// From here on the standby is started anew, to stop at a position.
	t.Run("ThatStoppedJustBeforeTheCommitIsNotBelieved", func(t *testing.T) {
		xid, lsn := p.save(t, "at the edge")
		p.configureStandby(t, "recovery_target_lsn", fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)))
		p.configureStandby(t, "recovery_target_inclusive", "off")
		p.configureStandby(t, "recovery_target_action", "pause")
		resume(t, p.standby)
		p.reader.Reset()
		until(t, p.reader, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
		var at uint64
		if err := p.reader.QueryRow(t.Context(), "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint").Scan(&at); err != nil {
			t.Fatal(err)
		}
		if state := stateOn(t, p.reader); state != "while it is down" || at > lsn {
			t.Fatalf("stopped at %X before the commit record at %X, the standby shows %q", at, lsn, state)
		}
		t.Logf("the commit record starts at %X, the standby stopped at %X", lsn, at)
		r = newReplicaTest(whole, p)
		r.wantState(t, horizon(xid, lsn), "at the edge", 1, 1)
	})

	t.Run("ThatWasPromotedFollowsTheRuleOfPrimaries", func(t *testing.T) {
		xid, lsn := p.save(t, "seen by the primary alone")
		execute(t, p.reader, "SELECT pg_wal_replay_resume()") // at its target: ends recovery
		until(t, p.reader, "SELECT NOT pg_is_in_recovery()")
		r.wantState(t, horizon(xid, lsn), "seen by the primary alone", 1, 1)
		r.wantState(t, anything, "while it is down", 0, 1)
	})
}

func TestAReplicaOfAnotherDatabaseIsRefused(t *testing.T) {
	pool, other := openDatabase(t), openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY, state text); INSERT INTO documents VALUES (1, 'ours')`)
	execute(t, other, `CREATE TABLE documents (id int PRIMARY KEY, state text); INSERT INTO documents VALUES (1, 'theirs')`)
	store := newStore(t, pool, func(cfg *postgres.Config) { cfg.Replica = other })
	if _, err := store.GetMany(t.Context(), anything, []string{"1"}); err == nil || !strings.Contains(err.Error(), "replica_dsn") {
		t.Errorf("GetMany: %v, want an error that says which setting is wrong", err)
	}
}
