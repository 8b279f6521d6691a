package cdc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

func testWindow() *window { return newWindow(func(uint64) {}, func(int) {}) }

func TestWindowConfirmsTheContiguousPrefixOnly(t *testing.T) {
	w := testWindow()
	for _, step := range []struct {
		do    func()
		flush uint64
	}{
		{func() { w.add(published{seq: 0, changes: 0, lsn: 90}) }, 90}, // nothing published yet: a keepalive's end
		{func() { w.add(published{seq: 1, changes: 5, lsn: 100}) }, 90},
		{func() { w.add(published{seq: 2, changes: 5, lsn: 0}) }, 90}, // a piece, or the middle of a transaction
		{func() { w.add(published{seq: 3, changes: 1, lsn: 300}) }, 90},
		{func() { w.add(published{seq: 3, changes: 0, lsn: 350}) }, 90}, // a keepalive behind it
		{func() { w.acknowledge(1) }, 100},
		{func() { w.acknowledge(2) }, 100}, // the transaction's last piece is open
		{func() { w.acknowledge(3) }, 350},
		{func() { w.add(published{seq: 3, changes: 0, lsn: 400}) }, 400}, // idle
		{func() { w.acknowledge(9) }, 400},                               // before what it acknowledges was entered
		{func() { w.add(published{seq: 9, changes: 2, lsn: 900}) }, 900},
		{func() { w.add(published{seq: 9, changes: 0, lsn: 800}) }, 900}, // never back
	} {
		step.do()
		if w.flush != step.flush {
			t.Fatalf("flush is %d, want %d, with %+v open", w.flush, step.flush, w.open)
		}
	}
}

// Against the definition: the highest LSN entered such that every batch entered
// no later is at or below the floor.
func TestWindowAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var told []uint64
		acknowledged := 0
		w := newWindow(func(lsn uint64) { told = append(told, lsn) }, func(n int) { acknowledged += n })
		var (
			entered    []published
			seq, floor uint64
			lsn        uint64
			through    place
		)
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				seq += rapid.Uint64Range(1, 3).Draw(t, "step")
				p := published{seq: seq, changes: rapid.IntRange(1, 9).Draw(t, "changes")}
				if rapid.Bool().Draw(t, "ends a transaction") {
					lsn += rapid.Uint64Range(1, 100).Draw(t, "bytes")
					p.lsn, p.commit = lsn, lsn
				}
				through.ordinal += uint64(p.changes)
				p.through = through
				entered = append(entered, p)
				w.add(p)
			},
			"mark": func(t *rapid.T) {
				lsn += rapid.Uint64Range(0, 100).Draw(t, "bytes")
				p := published{seq: seq, lsn: lsn, through: through}
				if rapid.Bool().Draw(t, "changes that are in the topics") {
					through.lsn++
					p.commit, p.through = lsn, through
				}
				entered = append(entered, p)
				w.add(p)
			},
			"acknowledge": func(t *rapid.T) {
				floor = rapid.Uint64Range(floor, seq+1).Draw(t, "floor")
				w.acknowledge(floor)
			},
			"": func(t *rapid.T) {
				var want uint64
				var changes, left int
				var done headway
				for _, p := range entered {
					if p.seq <= floor {
						want, changes = max(want, p.lsn), changes+p.changes
						done = headway{commit: max(done.commit, p.commit), through: later(done.through, p.through), changes: uint64(changes)}
					} else {
						left += p.changes
					}
				}
				if w.flush != want || acknowledged != changes || w.left() != left {
					t.Fatalf("flush %d, acknowledged %d, left %d; want %d, %d, %d", w.flush, acknowledged, w.left(), want, changes, left)
				}
				if got := w.headway(); got != done {
					t.Fatalf("progress %+v, want %+v", got, done)
				}
				if n := len(told); n > 0 && told[n-1] != want || n > 1 && told[n-1] <= told[n-2] {
					t.Fatalf("told %v, want ascending up to %d", told, want)
				}
			},
		})
	})
}

func TestFullWindowHoldsThePublisherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testWindow()
		w.add(published{seq: 1, changes: 1, lsn: 10})
		w.add(published{seq: 2, changes: 1, lsn: 20})
		entered := make(chan error, 1)
		go func() { entered <- w.room(t.Context(), 2) }()
		synctest.Wait()
		select {
		case err := <-entered:
			t.Fatalf("a full window let a batch in: %v", err)
		default:
		}
		w.acknowledge(1)
		if err := <-entered; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the session ends")
		cancel(why)
		if err := w.room(ctx, 1); !errors.Is(err, why) {
			t.Fatalf("room = %v, want %v", err, why)
		}
	})
}
