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
	last  uint64      // the highest seq that was added
	floor uint64      // of the sink
	flush uint64
}

// published is what went to the sink under one sequence number.
type published struct {
	seq     uint64
	changes int
	lsn     uint64 // to confirm when it and all before it are acknowledged; 0: none
}

func newWindow(onFlush func(uint64), onAck func(int)) *window {
	return &window{onFlush: onFlush, onAck: onAck, moved: make(chan struct{}, 1)}
}

// add enters what was published under seq, which never goes down; with the same
// seq again, and no changes, a later LSN.
func (w *window) add(seq uint64, changes int, lsn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = max(w.last, seq)
	if n := len(w.open); n > 0 && w.open[n-1].seq == seq {
		w.open[n-1].changes += changes
		w.open[n-1].lsn = max(w.open[n-1].lsn, lsn)
	} else {
		w.open = append(w.open, published{seq: seq, changes: changes, lsn: lsn})
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
		flush = max(flush, w.open[done].lsn)
		changes += w.open[done].changes
		done++
	}
	if done == 0 {
		return
	}
	w.open = append(w.open[:0], w.open[done:]...)
	w.onAck(changes)
	if flush > w.flush {
		w.flush = flush
		w.onFlush(flush)
	}
	notify(w.moved)
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
