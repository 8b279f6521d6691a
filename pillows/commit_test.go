package pillows_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestAFailedCommitIsSentAgain(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save(ids(50)...)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Partitions: []int32{1}, Err: kerr.GroupAuthorizationFailed, Count: 20})
		r := w.start(config(), sink)
		time.Sleep(3 * time.Second)
		if s := r.Stats(); s.Waiting == "" {
			t.Error("the stats do not tell that offsets cannot be committed")
		}
		if total := w.untilCommitted(50); total.Total() != 50 {
			t.Errorf("progress %+v", total)
		}
		if n := len(w.log.lines("offsets cannot be committed")); n != 1 {
			t.Errorf("it said %d times that offsets cannot be committed, want once", n)
		}
		if n := len(perChange(sink.Deliveries())); n != 50 || len(sink.Deliveries()) != 50 {
			t.Errorf("%d changes were given in %d deliveries, want 50", n, len(sink.Deliveries()))
		}
		w.until("the stats tell nothing any more", func() bool { return r.Stats().Waiting == "" })
	})
}

// Else a member that has lost a partition would set back the offset of the next
// owner, once its brokers take offsets again.
func TestTheCommitOfALostPartitionIsNotSentAgain(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink, g := pillowtest.NewRecorder("report"), newGate()
		var calls atomic.Int32
		sink.Before = func(ctx context.Context, b *pillows.Batch) error {
			if calls.Add(1) == 1 {
				return nil
			}
			return g.pass(ctx, b) // nothing new to commit
		}
		w.save(ids(10)...)
		refused := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: topic, Err: kerr.GroupAuthorizationFailed, Count: -1})
		w.start(config(), sink)
		w.until("the offset is refused", func() bool { return refused.Hits() > 2 })
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		w.until("the partition is read again", func() bool { return calls.Load() == 2 })
		before := refused.Hits()
		time.Sleep(10 * time.Second)
		if n := refused.Hits() - before; n > 0 {
			t.Errorf("the offset was sent %d times after the partition was lost", n)
		}
	})
}

func TestAPartitionIsOneChunkAheadOfItsCommitAtMost(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save(ids(1000)...)
		refused := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: topic, Err: kerr.GroupAuthorizationFailed, Count: -1})
		w.start(smallChunks(), sink)
		time.Sleep(time.Minute)
		if n := len(sink.Deliveries()); n != 2*smallChunks().ChunkSize {
			t.Errorf("%d changes were given while no offset was taken, want two chunks", n)
		}
		refused.Remove()
		w.untilCommitted(1000)
	})
}

func TestCountersGoOnWithTheNextOwner(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save(ids(100)...)
		first := w.start(config(), sink)
		w.untilCommitted(100)
		if err := first.stop(); err != nil {
			t.Fatal(err)
		}
		w.save(ids(100)...)
		second := w.start(config(), sink)
		total := w.untilCommitted(200)
		if total.Changes != 200 || total.Applied != 200 {
			t.Errorf("progress %+v, want 200 applied", total)
		}
		var stats pillows.Counts
		for _, s := range second.Stats().Partitions {
			stats.Applied += s.Applied
		}
		if stats.Applied != 200 {
			t.Errorf("the stats have %d applied, want 200", stats.Applied)
		}
	})
}
