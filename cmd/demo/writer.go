package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// smallWorkers is the number of sessions that make small transactions; one
	// more makes the large ones.
	smallWorkers = 4
	// largest is the number of changes of a large transaction. A demo of few
	// changes has smaller ones, so that it makes several.
	largest       = 3000
	largeOfFewest = 16
	// largeInterval is how many changes come between two large transactions, in
	// changes of a large one.
	largeInterval = 5
	// recentOrders is how many of the newest orders most picks are from.
	recentOrders = 5000
	// mostOpen bounds the changes that have no verdict: the writer waits for the
	// pillow to come nearer.
	mostOpen = 50_000
)

// writer plays the application.
type writer struct {
	shop    shop
	tracker *tracker
	budget  *budget
	pace    *pace
	large   int           // changes of a large transaction
	stall   time.Duration // after which writing more makes no sense

	lastOrder atomic.Int64

	changes, transactions, rolledBack, savepoints, biggest atomic.Int64
}

func newWriter(s shop, t *tracker, o Options) *writer {
	w := &writer{shop: s, tracker: t, budget: newBudget(o.Changes), pace: newPace(o.Rate), large: largest, stall: o.Stall}
	if o.Changes > 0 {
		w.large = min(largest, max(o.Changes/largeOfFewest, 1))
	}
	return w
}

// run writes until the changes are made, or ctx ends: no transaction is left
// open then.
func (w *writer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var small errgroup.Group
	noMore := make(chan struct{}) // the small transactions are made
	for range smallWorkers {
		small.Go(func() error { return w.session(ctx, (*worker).small) })
	}
	group.Go(func() error {
		defer close(noMore)
		return small.Wait()
	})
	group.Go(func() error {
		return w.session(ctx, func(k *worker, ctx context.Context) error { return k.largeOnes(ctx, noMore) })
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("write changes: %w", err)
	}
	// A transaction can come to less than it had been granted, and others have
	// found nothing left by then.
	return w.session(ctx, (*worker).remainder)
}

// session runs work in a session of its own.
func (w *writer) session(ctx context.Context, work func(*worker, context.Context) error) error {
	conn, err := w.shop.connect(ctx, ownerRole)
	if err != nil {
		return untilStopped(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return work(&worker{writer: w, conn: conn}, ctx)
}

// allocate returns the ids of n new orders.
func (w *writer) allocate(n int) []int64 {
	last := w.lastOrder.Add(int64(n))
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = last - int64(n) + 1 + int64(i)
	}
	return ids
}

// pick returns the ids of up to n orders, which may exist: mostly recent ones, a
// tenth from all.
func (w *writer) pick(n int) []int64 {
	last := w.lastOrder.Load()
	if last == 0 || n == 0 {
		return nil
	}
	from := max(last-recentOrders, 0)
	if n > recentOrders/4 || rand.IntN(10) == 0 {
		from = 0
	}
	var ids []int64
	for range n {
		ids = append(ids, from+1+rand.Int64N(last-from))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// worker is one session.
type worker struct {
	writer  *writer
	conn    *pgx.Conn
	granted int // the changes that the transaction may make
}

// small makes small transactions.
func (k *worker) small(ctx context.Context) error {
	var weights int
	for _, a := range smallActions {
		weights += a.weight
	}
	for {
		if !k.writer.ready(ctx) {
			return nil
		}
		n := rand.IntN(weights)
		chosen := smallActions[0]
		for _, a := range smallActions {
			if n -= a.weight; n < 0 {
				chosen = a
				break
			}
		}
		if more, err := k.act(ctx, chosen); err != nil || !more {
			return err
		}
	}
}

// largeOnes makes a large transaction whenever enough small ones were made. It
// does not keep to the pace.
func (k *worker) largeOnes(ctx context.Context, noMore <-chan struct{}) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	next := int64(k.writer.large)
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-noMore:
			return nil
		case <-look.C:
		}
		if k.writer.changes.Load() < next {
			continue
		}
		chosen := largeActions[i%len(largeActions)]
		chosen.changes, chosen.picks = k.writer.large, k.writer.large
		if _, err := k.act(ctx, chosen); err != nil {
			return err
		}
		i++
		if !chosen.undone {
			next += int64(largeInterval * k.writer.large)
		}
	}
}

// remainder makes what is left of the changes.
func (k *worker) remainder(ctx context.Context) error {
	for ctx.Err() == nil && k.writer.budget.finite && !k.writer.tracker.stalled(k.writer.stall) {
		if more, err := k.act(ctx, smallActions[0]); err != nil || !more {
			return err
		}
	}
	return nil
}

// act makes one transaction, within what is left to make. It reports false where
// nothing is left.
func (k *worker) act(ctx context.Context, a action) (bool, error) {
	w := k.writer
	if a.undone { // nothing comes of it
		k.granted = a.changes
		_, err := k.transact(ctx, a)
		return w.budget.any(), err
	}
	k.granted = w.budget.take(a.changes)
	if k.granted == 0 {
		return false, nil
	}
	if k.granted < a.changes {
		w.budget.giveBack(k.granted - 1)
		a, k.granted = smallActions[0], 1 // one change, whatever happens
	}
	made, err := k.transact(ctx, a)
	if err != nil {
		return false, err
	}
	w.budget.giveBack(k.granted - made)
	w.pace.spend(made - 1)
	w.count(made)
	return true, nil
}

// count notes a committed transaction.
func (w *writer) count(changes int) {
	w.transactions.Add(1)
	w.changes.Add(int64(changes))
	for {
		biggest := w.biggest.Load()
		if int64(changes) <= biggest || w.biggest.CompareAndSwap(biggest, int64(changes)) {
			return
		}
	}
}

// transact makes one transaction and returns the changes that come of it. It is
// brought to its end whatever happens to ctx: what became of a commit that was
// cut off would not be known.
func (k *worker) transact(ctx context.Context, a action) (changes int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", a.name, err)
		}
	}()
	w := k.writer
	tx, orders, err := begin(ctx, k.conn, w.tracker, w.pick(a.picks))
	if err != nil {
		return 0, err
	}
	a.do(k, tx, orders)
	if a.undone {
		w.rolledBack.Add(1)
		return 0, tx.rollback(ctx)
	}
	return tx.commit(ctx)
}

// ready waits until the pace allows a change and not too many are open. It
// reports false when ctx has ended, or verdicts no longer come.
func (w *writer) ready(ctx context.Context) bool {
	if !w.pace.wait(ctx) {
		return false
	}
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		switch {
		case w.tracker.stalled(w.stall):
			return false
		case w.tracker.waiting() < mostOpen:
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-pause.C:
		}
	}
}
