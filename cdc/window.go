package cdc

import (
	"context"
	"sync"
)

// windowBatches bounds what has been published and is not acknowledged, beside
// the sink's own bound. With as many batches open the next ones wait in the
// queue and become one.
const windowBatches = 1024

// window finds the LSN up to which the log may be confirmed: the last one of
// which every change before it has been acknowledged, in whatever order the sink
// came to it.
type window struct {
	onFlush func(lsn uint64) // told each new LSN in turn, with the lock held: it must not block
	onAck   func(changes int)
	moved   chan struct{} // capacity 1: something was acknowledged

	mu    sync.Mutex
	open  []published // by ascending seq
	last  uint64      // the highest seq that was entered
	floor uint64      // of the sink
	flush uint64
	done  headway
}

// published is what goes to the sink under one sequence number.
type published struct {
	seq     uint64
	changes int
	lsn     uint64 // to confirm when it and all before it are acknowledged; 0: none
	commit  uint64 // the end of the last transaction with documents among that, 0: none
	through place  // the last document up to there, published or not; zero: none
}

// headway is how far a window has come: what of the log need not be
// published again.
type headway struct {
	commit  uint64 // every transaction that ends there or before is in the topics
	through place  // and every change up to here
	changes uint64 // that were published and acknowledged
}

func newWindow(onFlush func(uint64), onAck func(int)) *window {
	return &window{onFlush: onFlush, onAck: onAck, moved: make(chan struct{}, 1)}
}

// add enters what is published under a sequence number, before the sink has it:
// so what the sink has acknowledged is always here. Numbers never go down; with
// the same one again more is entered.
func (w *window) add(p published) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = p.seq
	if n := len(w.open); n > 0 && w.open[n-1].seq == p.seq {
		last := &w.open[n-1]
		last.changes += p.changes
		last.lsn, last.commit = max(last.lsn, p.lsn), max(last.commit, p.commit)
		last.through = later(last.through, p.through)
	} else {
		w.open = append(w.open, p)
	}
	w.advance()
}

// acknowledge takes the sink's floor.
func (w *window) acknowledge(floor uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.floor = max(w.floor, floor)
	w.advance()
}

// advance drops what is at or below the floor.
func (w *window) advance() {
	flush, done, changes := w.flush, 0, 0
	for done < len(w.open) && w.open[done].seq <= w.floor {
		p := &w.open[done]
		flush = max(flush, p.lsn)
		changes += p.changes
		w.done.commit = max(w.done.commit, p.commit)
		w.done.through = later(w.done.through, p.through)
		done++
	}
	if done == 0 {
		return
	}
	w.open = append(w.open[:0], w.open[done:]...)
	w.done.changes += uint64(changes)
	w.onAck(changes)
	if flush > w.flush {
		w.flush = flush
		w.onFlush(flush)
	}
	notify(w.moved)
}

// headway returns how far everything is acknowledged.
func (w *window) headway() headway {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// entered returns the highest sequence number that has been entered.
func (w *window) entered() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// finished reports whether a sequence number and all before it are acknowledged.
func (w *window) finished(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.floor >= seq
}

// room blocks until fewer than limit batches are open. One goroutine may wait.
func (w *window) room(ctx context.Context, limit int) error {
	for {
		w.mu.Lock()
		open := len(w.open)
		w.mu.Unlock()
		if open < limit {
			return nil
		}
		select {
		case <-w.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// left returns the number of changes that are not acknowledged.
func (w *window) left() (changes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.open {
		changes += w.open[i].changes
	}
	return changes
}
