package demo

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/pillows"
)

// verdict is an observation of one change.
func verdict(xid uint64, order int64, v pillows.Verdict) pillows.Observation {
	return pillows.Observation{
		Changes:  []changefeed.Change{{XID: xid, Meta: changefeed.Meta{DocumentID: strconv.FormatInt(order, 10)}}},
		Verdicts: []pillows.Verdict{v},
	}
}

// orders are orders of which more than lines have changed.
func orders(ids ...int64) map[int64]bool {
	changed := make(map[int64]bool)
	for _, id := range ids {
		changed[id] = false
	}
	return changed
}

func TestLatencyIsFromTheCommitToTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTracker()
		k.expect(7, orders(1, 2))
		time.Sleep(time.Hour) // the commit takes its time
		k.committed(7, orders(1, 2))
		time.Sleep(40 * time.Millisecond)
		k.observe(verdict(7, 1, pillows.Applied))
		time.Sleep(60 * time.Millisecond)
		k.observe(verdict(7, 2, pillows.Superseded))

		a := k.account()
		if diff := cmp.Diff(pillows.Counts{Applied: 1, Superseded: 1}, a.counts); diff != "" {
			t.Errorf("verdicts (-want +got):\n%s", diff)
		}
		if a.open != 0 || a.strays != 0 || a.repeats != 0 {
			t.Errorf("%d open, %d strays, %d repeats; want none", a.open, a.strays, a.repeats)
		}
		if a.latency.most != 100*time.Millisecond {
			t.Errorf("the longest latency is %s, want 100 ms", a.latency.most)
		}
		if n := k.recent().total; n != 2 {
			t.Errorf("%d latencies since the beginning, want 2", n)
		}
		if n := k.recent().total; n != 0 {
			t.Errorf("%d latencies since the last call, want none", n)
		}
	})
}

func TestVerdictMayComeBeforeTheCommitReturns(t *testing.T) {
	k := newTracker()
	k.expect(7, orders(1))
	k.observe(verdict(7, 1, pillows.Applied))
	if k.waiting() != 1 {
		t.Error("a change was settled whose commit has not returned")
	}
	k.observe(verdict(7, 1, pillows.Superseded))
	k.committed(7, orders(1))
	a := k.account()
	if a.open != 0 || a.counts != (pillows.Counts{Applied: 1}) || a.repeats != 1 || a.latency.total != 1 || a.latency.most != 0 {
		t.Errorf("the account is %+v, want one applied at once and one repeat", a)
	}
}

func TestVerdictOnWhatNobodyCommittedIsUnexpected(t *testing.T) {
	k := newTracker()
	k.expect(7, orders(1))
	k.committed(7, orders(1))
	k.observe(verdict(7, 2, pillows.Applied)) // an order that was rolled back to a savepoint
	k.observe(verdict(8, 1, pillows.Applied)) // a transaction that was rolled back
	a := k.account()
	if a.strays != 2 || a.open != 1 || a.counts.Total() != 0 {
		t.Errorf("%d strays, %d open, %d verdicts; want 2, 1, 0", a.strays, a.open, a.counts.Total())
	}
	if want := []string{"order 2 of transaction 7 (applied)", "order 1 of transaction 8 (applied)"}; !slices.Equal(a.examples, want) {
		t.Errorf("examples %q, want %q", a.examples, want)
	}
}

func TestSecondVerdictIsARepeat(t *testing.T) {
	k := newTracker()
	k.expect(7, orders(1))
	k.committed(7, orders(1))
	k.observe(verdict(7, 1, pillows.Applied))
	k.observe(verdict(7, 1, pillows.Superseded))
	if a := k.account(); a.repeats != 1 || a.strays != 0 || a.counts.Total() != 1 {
		t.Errorf("%d repeats, %d strays, %d verdicts; want 1, 0, 1", a.repeats, a.strays, a.counts.Total())
	}
}

func TestRepeatsAreToldFromStraysWithinBoundedMemory(t *testing.T) {
	k := newTracker()
	const n = 3 * settledKept
	for order := range int64(n) {
		k.expect(7, orders(order))
		k.committed(7, orders(order))
		k.observe(verdict(7, order, pillows.Applied))
	}
	if kept := len(k.settled[0]) + len(k.settled[1]); kept > 2*settledKept {
		t.Errorf("%d settled changes are kept, want at most %d", kept, 2*settledKept)
	}
	k.observe(verdict(7, n-settledKept, pillows.Applied))
	if a := k.account(); a.repeats != 1 {
		t.Errorf("%d repeats, want 1", a.repeats)
	}
}

func TestStallIsTimeWithoutAVerdictWhileOneIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTracker()
		time.Sleep(time.Hour)
		if k.stalled(time.Minute) {
			t.Error("stalled, and nothing waits")
		}
		k.expect(7, orders(1, 2))
		k.committed(7, orders(1, 2))
		if k.stalled(time.Minute) {
			t.Error("stalled, and what waits has just begun to")
		}
		time.Sleep(50 * time.Second)
		k.observe(verdict(7, 1, pillows.Applied))
		time.Sleep(50 * time.Second)
		if k.stalled(time.Minute) {
			t.Error("stalled, and there was a verdict 50 s ago")
		}
		time.Sleep(11 * time.Second)
		if !k.stalled(time.Minute) {
			t.Error("not stalled, and no verdict has come for 61 s")
		}
		if want := []string{"order 2 of transaction 7"}; !slices.Equal(k.lost(), want) {
			t.Errorf("lost %q, want %q", k.lost(), want)
		}
	})
}

func TestOrdersWithOpenLinesAreKnown(t *testing.T) {
	k := newTracker()
	k.expect(7, map[int64]bool{1: true, 2: false})
	k.expect(8, map[int64]bool{1: true})
	k.committed(7, map[int64]bool{1: true, 2: false})
	k.committed(8, map[int64]bool{1: true})
	free := func(want ...int64) {
		t.Helper()
		if got := k.withoutOpenLines([]int64{1, 2, 3}); !slices.Equal(got, want) {
			t.Errorf("orders without open lines: %v, want %v", got, want)
		}
	}
	free(2, 3)
	k.observe(verdict(7, 1, pillows.Applied))
	free(2, 3)
	k.observe(verdict(8, 1, pillows.Applied))
	free(1, 2, 3)
}
