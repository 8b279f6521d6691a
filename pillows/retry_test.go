package pillows_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

// gate makes calls wait until it is opened.
type gate struct{ opened chan struct{} }

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) pass(ctx context.Context, _ *pillows.Batch) error {
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) open() { close(g.opened) }

func TestChangesOfOneDocumentInAChunkCollapseToTheNewest(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink, g := pillowtest.NewRecorder("report"), newGate()
		sink.Before = g.pass
		r := w.start(config(), sink)
		w.save("first") // is worked on while the others queue up
		w.until("the first change is in work", func() bool { return len(r.Stats().Partitions) == 1 })
		time.Sleep(time.Second)
		w.save("a", "b", "a", "a", "b", "c")
		late := w.stub("a", false) // read last, but older
		late.Version, late.Position.LSN = late.Version-100, late.Position.LSN-100
		w.publish(late)
		same := w.stub("c", false) // read later, as new
		same.Version -= 2
		w.publish(same)
		time.Sleep(time.Second)
		g.open()

		total := w.untilCommitted(9)
		want := pillows.Progress{Changes: 9, Counts: pillows.Counts{Applied: 4, Superseded: 5}, State: pillows.Running}
		if diff := cmp.Diff(want, total); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		var given []string
		for _, d := range sink.Deliveries() {
			given = append(given, d.Change.Position.String())
		}
		wantGiven := []string{
			"main/1/0000000000000001/0", // first
			"main/1/0000000000000005/0", // a
			"main/1/0000000000000006/0", // b
			"main/1/0000000000000009/0", // c
		}
		if diff := cmp.Diff(wantGiven, given); diff != "" {
			t.Errorf("given (-want +got):\n%s", diff)
		}
		wantSeen := map[pillows.Verdict]int{pillows.Applied: 4, pillows.Superseded: 5}
		if diff := cmp.Diff(wantSeen, r.seen.of("report")); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

func TestAFailingProcessorIsTriedAgainWithBackoffAndTheOthersAreNot(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var tries []time.Time
		down := pillowtest.NewRecorder("down")
		down.Before = func(context.Context, *pillows.Batch) error {
			tries = append(tries, time.Now())
			if len(tries) <= 12 {
				return errors.New("sink is down")
			}
			return nil
		}
		before, after := pillowtest.NewRecorder("before"), pillowtest.NewRecorder("after")
		w.save("a", "b")
		r := w.start(config(), before, down, after)
		total := w.untilCommitted(2)

		want := pillows.Progress{Changes: 2, Counts: pillows.Counts{Applied: 6}, State: pillows.Running}
		if diff := cmp.Diff(want, total); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		for _, sink := range []*pillowtest.Recorder{before, down, after} {
			if n := len(sink.Deliveries()); n != 2 {
				t.Errorf("%s was given %d changes, want 2", sink.Name(), n)
			}
			if n := r.seen.of(sink.Name())[pillows.Applied]; n != 2 {
				t.Errorf("%d were observed of %s, want 2", n, sink.Name())
			}
		}
		for i, wait := 0, pillows.DefaultMinBackoff; i < 12; i++ {
			if got := tries[i+1].Sub(tries[i]); got < wait/2 || got > wait+time.Millisecond {
				t.Errorf("wait %d was %s, want %s to %s", i, got, wait/2, wait)
			}
			wait = min(2*wait, pillows.DefaultMaxBackoff)
		}
	})
}

func TestOnlyFailedItemsAreGivenAgain(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var tries atomic.Int32
		sink := pillowtest.NewRecorder("report")
		sink.Refuse = func(item pillows.Item) error {
			if item.Change.Meta.DocumentID == "bad" && tries.Add(1) <= 3 {
				return errors.New("value does not convert")
			}
			return nil
		}
		other := pillowtest.NewRecorder("other")
		w.save("a", "b", "bad", "c")
		r := w.start(config(), sink, other)
		total := w.untilCommitted(4)

		if got, want := total.Counts, (pillows.Counts{Applied: 8}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		times := make(map[string]int)
		for _, d := range sink.Deliveries() {
			times[d.Change.Meta.DocumentID]++
		}
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1, "bad": 4}, times); diff != "" {
			t.Errorf("given (-want +got):\n%s", diff)
		}
		if n := len(other.Deliveries()); n != 4 {
			t.Errorf("the other processor was given %d changes, want 4", n)
		}
		if n := r.seen.of("report")[pillows.Applied]; n != 4 {
			t.Errorf("%d were observed, want 4", n)
		}
	})
}

func TestProgressInAChunkShortensTheWait(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		accepted := 0
		sink.Before = func(context.Context, *pillows.Batch) error { accepted++; return nil }
		sink.Refuse = func(item pillows.Item) error {
			if item.Change.Position.LSN > uint64(accepted) {
				return errors.New("not yet")
			}
			return nil
		}
		w.save(ids(20)...) // one more is accepted at each try
		began := time.Now()
		w.start(config(), sink)
		w.untilCommitted(20)
		if took := time.Since(began); took > 20*pillows.DefaultMinBackoff+time.Second {
			t.Errorf("20 tries took %s", took)
		}
	})
}

func (*wrong) Name() string { return "wrong" }
