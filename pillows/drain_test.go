package pillows_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestDrainFinishesTheChunkInWorkAndNotTheQueue(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		var calls atomic.Int32
		sink.Before = func(ctx context.Context, _ *pillows.Batch) error {
			calls.Add(1)
			time.Sleep(5 * time.Second)
			return ctx.Err()
		}
		c := config()
		c.ChunkSize = 10
		w.save(ids(100)...)
		r := w.start(c, sink)
		w.until("a chunk is in work", func() bool { return calls.Load() == 1 })
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 6*time.Second {
			t.Errorf("the drain took %s, want what was left of the chunk", took)
		}
		if offsets, p := w.committed(); offsets != 10 || p.Changes != 10 {
			t.Errorf("committed %d, %+v, want one chunk of 10", offsets, p)
		}
		if info := w.cluster.GroupInfo(group); len(info.Members) != 0 {
			t.Error("the group was not left")
		}
	})
}

func TestDrainIsCutOffAfterItsTimeout(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		sink.Before = newGate().pass // never opened
		c := config()
		c.DrainTimeout = 7 * time.Second
		w.save(ids(10)...)
		r := w.start(c, sink)
		time.Sleep(5 * time.Second)
		began := time.Now()
		err := r.stop()
		if err == nil || !strings.Contains(err.Error(), "cut off after 7s") {
			t.Errorf("Run: %v, want an error that says so", err)
		}
		if took := time.Since(began); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("the drain took %s, want 7s", took)
		}
		if offsets, _ := w.committed(); offsets != 0 {
			t.Errorf("%d offsets are committed, want none", offsets)
		}
		if info := w.cluster.GroupInfo(group); len(info.Members) != 0 {
			t.Error("the group was not left")
		}
	})
}

func TestDrainDoesNotWaitForAPartitionThatWaits(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		sink.Before = func(context.Context, *pillows.Batch) error { return context.DeadlineExceeded }
		w.save(ids(10)...)
		r := w.start(config(), sink)
		time.Sleep(5 * time.Minute)
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the drain took %s", took)
		}
	})
}

func TestDrainEndsWithoutBrokers(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		line := w.wire()
		deps := w.deps()
		deps.Client = line.options()
		sink := pillowtest.NewRecorder("report")
		r := w.startWith(config(), deps, sink)
		w.save(ids(10)...)
		w.untilCommitted(10)
		line.cut()
		time.Sleep(time.Minute)
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the drain took %s", took)
		}
	})
}

func TestAPillowRunsOnce(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		r := w.start(config(), pillowtest.NewRecorder("report"))
		time.Sleep(time.Second)
		if err := r.Run(t.Context()); err == nil {
			t.Error("a second Run was allowed")
		}
	})
}
