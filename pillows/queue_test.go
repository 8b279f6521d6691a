package pillows

import (
	"errors"
	"testing"
)

func entries(sizes ...int) []entry {
	es := make([]entry, len(sizes))
	for i, size := range sizes {
		es[i] = entry{place: place{offset: int64(i)}, size: size}
	}
	return es
}

func TestQueueGivesChunksWithinBothBounds(t *testing.T) {
	q := newQueue()
	q.put(entries(10, 10, 10))
	q.put(entries(10, 95, 500, 1))
	for i, want := range []int{2, 2, 1, 1, 1, 0} { // 20 bytes, 20 bytes, then each alone or the rest
		var c chunk
		if _, f := q.take(&c, 2, 100); f != nil || len(c.changes) != want {
			t.Errorf("chunk %d has %d changes, fault %v, want %d", i, len(c.changes), f, want)
		}
	}
	if q.bytes != 0 || q.length() != 0 {
		t.Errorf("%d entries of %d bytes are left", q.length(), q.bytes)
	}
}

func TestQueueStandsAtAFault(t *testing.T) {
	q := newQueue()
	es := entries(1, 1, 1)
	es[1].fault = &fault{err: errors.New("no change")}
	q.put(es)
	var c chunk
	if _, f := q.take(&c, 10, 100); f != nil || len(c.changes) != 1 {
		t.Fatalf("%d changes before the fault, %v", len(c.changes), f)
	}
	for range 2 {
		if at, f := q.take(&c, 10, 100); f == nil || at.offset != 1 {
			t.Fatalf("fault %v at %d", f, at.offset)
		}
	}
	q.dropFault()
	if _, f := q.take(&c, 10, 100); f != nil || len(c.changes) != 2 {
		t.Fatalf("%d changes after the fault, %v", len(c.changes), f)
	}
}

func TestQueueIsFetchedAgainOnceThereIsRoomAndNoFault(t *testing.T) {
	q := newQueue()
	paused := 0
	pause, resume := func() { paused++ }, func() { paused-- }
	q.put(entries(1, 1, 1, 1))
	if !q.full(4, 100) || q.full(5, 100) || !q.full(5, 4) {
		t.Error("full does not heed its bounds")
	}
	q.pause(pause)
	q.pause(pause)
	if paused != 1 || q.full(4, 100) {
		t.Errorf("paused %d times; a paused queue is not full: %v", paused, q.full(4, 100))
	}
	q.resume(2, 50, resume)
	q.resume(50, 2, resume)
	if paused != 1 {
		t.Error("fetching went on with a full queue")
	}
	q.putFault(&fault{err: errors.New("offset is gone"), fetch: true})
	q.putFault(&fault{err: errors.New("offset is gone"), fetch: true})
	if q.length() != 5 {
		t.Errorf("%d entries, want the fault once", q.length())
	}
	var c chunk
	q.take(&c, 10, 100)
	q.resume(10, 100, resume)
	if paused != 1 {
		t.Error("fetching went on behind a fault")
	}
	q.dropFault()
	q.resume(10, 100, resume)
	q.resume(10, 100, resume)
	if paused != 0 {
		t.Errorf("paused %d", paused)
	}
}
