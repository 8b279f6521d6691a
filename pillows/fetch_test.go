package pillows_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestAnOffsetThatIsGoneStopsItsPartitionAndNoOther(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		zero, one := idIn(0, 2), idIn(1, 2)
		w.save(zero, one, zero, zero)
		first := w.start(config(), sink)
		w.untilCommitted(4)
		if err := first.stop(); err != nil {
			t.Fatal(err)
		}
		w.save(zero, zero, one) // offsets 3 and 4 of partition 0, 1 of partition 1
		if err := w.cluster.DeleteRecords(topic, 0, 4); err != nil {
			t.Fatal(err)
		}
		fetches := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		r := w.start(config(), sink)
		time.Sleep(5 * time.Minute)

		if got := sink.Deliveries(); got[len(got)-1].Change.Meta.DocumentID != one || len(got) != 3 {
			t.Errorf("%d changes were given, want 3, the last one from the other partition", len(got))
		}
		stats := r.Stats().Partitions
		if s := stats[0]; s.State != pillows.Waiting || s.NextOffset != 3 || !strings.Contains(s.Reason, "offset 3 is not in the topic any more") {
			t.Errorf("partition 0: %+v", s)
		}
		if s := stats[1]; s.State != pillows.Running || s.NextOffset != 2 || s.Lag != 0 {
			t.Errorf("partition 1: %+v", s)
		}
		if n := len(w.log.lines(`msg="partition waits"`, "partition=0", "offset 3 is not")); n != 1 {
			t.Errorf("it said %d times that it waits, want once", n)
		}
		if offsets, p := w.committed(); offsets != 5 || p.State != pillows.Waiting {
			t.Errorf("committed %d, %+v", offsets, p)
		}
		if n := fetches.Hits(); n > 5*60*8 { // a fetch waits a quarter of a second for records
			t.Errorf("%d fetches in 5 minutes: it spins", n)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		w.setOffset(0, 4) // what the error says to do
		w.start(config(), sink)
		w.untilCommitted(7)
	})
}

func TestRecordsRemovedUnderARunningPillowStopThePartition(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink, g := pillowtest.NewRecorder("report"), newGate()
		sink.Before = g.pass
		c := config()
		c.ChunkSize, c.QueueBytes = 1, 1 // fetching stops after the first records
		w.save("a")
		r := w.start(c, sink)
		time.Sleep(time.Second)
		w.save("b")
		time.Sleep(time.Second)
		w.save(ids(10)...)
		time.Sleep(time.Second)
		if err := w.cluster.DeleteRecords(topic, 0, 5); err != nil {
			t.Fatal(err)
		}
		g.open()
		w.until("the partition waits", func() bool { return r.Stats().Partitions[0].State == pillows.Waiting })
		s := r.Stats().Partitions[0]
		if s.NextOffset >= 5 || !strings.Contains(s.Reason, "not in the topic any more") {
			t.Errorf("stats %+v", s)
		}
		if offsets, p := w.committed(); offsets != p.Changes || int(p.Changes) != len(sink.Deliveries()) {
			t.Errorf("committed %d, %+v after %d deliveries", offsets, p, len(sink.Deliveries()))
		}
	})
}

func TestBrokersThatAreDownAreWaitedFor(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		line := w.wire()
		line.cut()
		deps := w.deps()
		deps.Client = line.options()
		sink := pillowtest.NewRecorder("report")
		w.save(ids(10)...)
		r := w.startWith(config(), deps, sink)
		time.Sleep(5 * time.Second)
		if n := len(w.log.lines("brokers do not answer")); n != 1 {
			t.Errorf("it was said %d times within 5 seconds, want once", n)
		}
		time.Sleep(2 * time.Minute)
		line.mend()
		w.untilCommitted(10)

		line.cut() // in the middle
		w.save(ids(10)...)
		time.Sleep(30 * time.Second)
		line.mend()
		w.untilCommitted(20)
		w.until("nothing is wrong any more", func() bool { return r.Stats().Waiting == "" })
		if times := perChange(sink.Deliveries()); len(times) != 20 {
			t.Errorf("%d changes were given, want 20", len(times))
		}
	})
}

// However large the backlog, what is read ahead is bounded, and with it the
// memory of a pillow whose sink is slow.
func TestReadingAheadIsBounded(t *testing.T) {
	inWorld(t, 4, func(t *testing.T, w *world) {
		for range 4 {
			w.save(ids(5000)...)
		}
		sink := pillowtest.NewRecorder("report")
		var most atomic.Int64
		var r *run
		started := make(chan struct{})
		sink.Before = func(context.Context, *pillows.Batch) error {
			<-started
			time.Sleep(300 * time.Millisecond)
			queued := int64(0)
			for _, s := range r.Stats().Partitions {
				queued += int64(s.Queued)
			}
			for was := most.Load(); queued > was && !most.CompareAndSwap(was, queued); was = most.Load() {
			}
			return nil
		}
		c := config()
		c.QueueBytes = 1 << 20
		r = w.start(c, sink)
		close(started)
		w.untilCommitted(20_000)
		// 1 MiB is some 1,800 records; each partition may be over its share by
		// what one poll brings.
		if n := most.Load(); n > 1800+4*2000 {
			t.Errorf("%d changes were queued at once", n)
		}
	})
}

func TestAPillowIsIdleWhenNothingHappens(t *testing.T) {
	inWorld(t, 4, func(t *testing.T, w *world) {
		w.start(config(), pillowtest.NewRecorder("report"))
		time.Sleep(time.Minute)
		requests := w.cluster.Fault(kfake.Fault{Observe: true, Count: -1})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := requests.Hits(); n > 10*60*6 {
			t.Errorf("%d requests in 10 idle minutes", n)
		}
		if lines := w.log.lines("level="); len(lines) > 0 {
			t.Errorf("it logged: %s", lines[0])
		}
	})
}

// In the bubble, time passes only while everything waits: a backlog takes no
// time unless something waits that should not.
func TestABacklogIsReadWithoutPauses(t *testing.T) {
	for _, partitions := range []int32{1, 8} {
		inWorld(t, partitions, func(t *testing.T, w *world) {
			const changes = 8000
			for range changes / 4000 {
				w.save(ids(4000)...)
			}
			began := time.Now()
			last := began
			sink := pillowtest.NewRecorder("report")
			var mu sync.Mutex
			sink.Before = func(context.Context, *pillows.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				last = time.Now()
				return nil
			}
			w.start(config(), sink)
			w.untilCommitted(changes)
			mu.Lock()
			defer mu.Unlock()
			if took := last.Sub(began); took > 100*time.Millisecond {
				t.Errorf("%d partitions: it took %s of waiting to read %d changes", partitions, took, changes)
			}
		})
	}
}
