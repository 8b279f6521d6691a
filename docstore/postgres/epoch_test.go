package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// future is a horizon of an epoch, of a transaction that its server never had.
func future(epoch uint32) docstore.Horizon {
	return docstore.Horizon{"main": {Epoch: epoch, XIDs: []uint64{1 << 40}, LSN: 1 << 50}}
}

func oneDocument(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	return pool
}

func withEpoch(e *postgres.Epoch) func(*postgres.Config) {
	return func(cfg *postgres.Config) { cfg.Epoch = e }
}

// epochs counts how often it is asked, and gives the same answer each time.
type epochs struct {
	asked int
	epoch uint32
	err   error
}

func (e *epochs) ask(context.Context) (uint32, error) {
	e.asked++
	return e.epoch, e.err
}

func wantNotVisible(t *testing.T, store docstore.Store, at docstore.Horizon) (text string) {
	t.Helper()
	_, err := store.GetMany(t.Context(), at, []string{"1"})
	if !errors.Is(err, docstore.ErrNotVisible) {
		t.Fatalf("GetMany: %v, want %v", err, docstore.ErrNotVisible)
	}
	return err.Error()
}

func TestAHorizonOfAnOlderEpochWaitsForNothing(t *testing.T) {
	epoch := postgres.NewEpoch(nil)
	epoch.Raise(3)
	store := newStore(t, oneDocument(t), withEpoch(epoch), patient)
	if r := getMany(t, store, future(2), "1")[0]; r.Err != nil {
		t.Error(r.Err)
	}
}

func TestAHorizonOfANewerEpochIsTheCurrentOne(t *testing.T) {
	epoch := postgres.NewEpoch(nil)
	pool := oneDocument(t)
	store, other := newStore(t, pool, withEpoch(epoch)), newStore(t, pool, withEpoch(epoch))
	wantNotVisible(t, store, future(4))
	if epoch.Known() != 4 {
		t.Fatalf("epoch %d is known, want 4", epoch.Known())
	}
	wantNotVisible(t, store, future(4))
	wantNotVisible(t, store, future(5))
	for _, s := range []docstore.Store{store, other} {
		if r := getMany(t, s, future(4), "1")[0]; r.Err != nil {
			t.Errorf("an epoch that is over for all stores of the source: %v", r.Err)
		}
	}
}

// Before anything is known, the changes of an epoch that is over are those of the
// current one. Whoever keeps the epochs knows better.
func TestAnEpochThatIsOverIsFoundOutBeforeTheReadFails(t *testing.T) {
	known := &epochs{epoch: 2}
	store := newStore(t, oneDocument(t), withEpoch(postgres.NewEpoch(known.ask)))
	for range 3 {
		if r := getMany(t, store, future(1), "1")[0]; r.Err != nil {
			t.Error(r.Err)
		}
	}
	if known.asked != 1 {
		t.Errorf("asked %d times, want 1", known.asked)
	}
	wantNotVisible(t, store, future(2))
}

func TestAReadThatFailsSaysThatTheEpochCannotBeAsked(t *testing.T) {
	down := &epochs{err: errors.New("state is down")}
	store := newStore(t, oneDocument(t), withEpoch(postgres.NewEpoch(down.ask)))
	if text := wantNotVisible(t, store, future(1)); !strings.Contains(text, "state is down") {
		t.Errorf("error %q does not say why", text)
	}
}

// A read waits for an epoch that another read of the source finds to be over.
func TestAWaitEndsWhenItsEpochDoes(t *testing.T) {
	epoch := postgres.NewEpoch(nil)
	waiting := make(chan struct{})
	store := newStore(t, oneDocument(t), withEpoch(epoch), patient, func(cfg *postgres.Config) {
		cfg.OnWait = sync.OnceFunc(func() { close(waiting) })
	})
	done := make(chan error)
	go func() {
		results, err := store.GetMany(t.Context(), future(1), []string{"1"})
		if err == nil {
			err = results[0].Err
		}
		done <- err
	}()
	<-waiting
	epoch.Raise(2)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnEpochOnlyRises(t *testing.T) {
	epoch := postgres.NewEpoch(nil)
	var raisers sync.WaitGroup
	for i := range uint32(50) {
		raisers.Go(func() { epoch.Raise(i) })
	}
	raisers.Wait()
	for _, to := range []uint32{3, 0, changefeed.MaxEpoch + 1, 1<<32 - 1} {
		epoch.Raise(to)
		if epoch.Known() != 49 {
			t.Fatalf("raised to %d: epoch %d, want 49", to, epoch.Known())
		}
	}
}
