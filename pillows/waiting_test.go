package pillows_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestAWaitingPartitionSaysSoOnceInThirtySeconds(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var down atomic.Bool
		down.Store(true)
		sink := pillowtest.NewRecorder("report")
		sink.Before = func(context.Context, *pillows.Batch) error {
			if down.Load() {
				return errors.New("sink is down")
			}
			return nil
		}
		w.save("a")
		r := w.start(config(), sink)
		time.Sleep(5 * time.Minute)

		first := w.log.lines(`msg="partition waits"`)
		if len(first) != 1 {
			t.Fatalf("it said %d times that it waits, want once:\n%s", len(first), w.log)
		}
		for _, part := range []string{"pillow=orders-report", "processor=report", "topic=orders", "partition=0", "offset=0", "document_id=a", "error=\"sink is down\""} {
			if !strings.Contains(first[0], part) {
				t.Errorf("the line does not have %s: %s", part, first[0])
			}
		}
		if n := len(w.log.lines("partition still waits")); n < 5 || n > 10 {
			t.Errorf("it said %d times in 5 minutes that it still waits", n)
		}
		if _, p := w.committed(); p.State != pillows.Waiting || p.Reason != "report: sink is down" || p.Changes != 0 {
			t.Errorf("committed progress: %+v", p)
		}
		if s := r.Stats().Partitions[0]; s.State != pillows.Waiting || s.NextOffset != 0 || s.Lag != 1 || time.Since(s.Since) < 4*time.Minute {
			t.Errorf("stats: %+v", s)
		}

		down.Store(false)
		if p := w.untilCommitted(1); p.State != pillows.Running || p.Reason != "" {
			t.Errorf("committed progress: %+v", p)
		}
		if n := len(w.log.lines("partition goes on")); n != 1 {
			t.Errorf("it said %d times that it goes on, want once", n)
		}
	})
}

func TestAWaitingPartitionHoldsUpNoOther(t *testing.T) {
	inWorld(t, 4, func(t *testing.T, w *world) {
		bad := idIn(2, 4)
		sink := pillowtest.NewRecorder("report")
		sink.Refuse = func(item pillows.Item) error {
			if item.Change.Meta.DocumentID == bad {
				return errors.New("value does not convert")
			}
			return nil
		}
		w.save("a", "b", bad)
		r := w.start(config(), sink)
		time.Sleep(time.Minute)
		// Far more than the queue of the waiting partition takes.
		for range 4 {
			w.save(ids(2500)...)
		}
		count := 0
		for _, id := range ids(2500) {
			if partitionOf(id, 4) != 2 {
				count++
			}
		}
		w.until("the other partitions are done", func() bool {
			n := 0
			for _, s := range r.Stats().Partitions {
				if s.Partition != 2 && s.Lag == 0 {
					n++
				}
			}
			return n == 3
		})
		time.Sleep(10 * time.Minute) // longer than every timeout of the group
		for _, s := range r.Stats().Partitions {
			if s.Partition == 2 && (s.State != pillows.Waiting || s.NextOffset >= s.EndOffset || s.Queued > 5000) {
				t.Errorf("the waiting partition: %+v", s)
			}
			if s.Partition != 2 && (s.State != pillows.Running || s.NextOffset < int64(count)) {
				t.Errorf("another partition: %+v", s)
			}
		}
		if info := w.cluster.GroupInfo(group); info.Epoch > 2 || len(info.Members) != 1 {
			t.Errorf("the group did not stay together: epoch %d, %d members", info.Epoch, len(info.Members))
		}
	})
}

func TestARecordThatIsNoChangeIsWaitedAt(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save("a")
		w.produce(&kgo.Record{Key: []byte("b"), Value: []byte(`{"document_id": `)})
		w.save("c")
		r := w.start(config(), sink)
		time.Sleep(5 * time.Minute)

		if n := len(sink.Deliveries()); n != 1 {
			t.Errorf("%d changes were given, want 1", n)
		}
		if offsets, p := w.committed(); offsets != 1 || p.State != pillows.Waiting || !strings.Contains(p.Reason, "orders/0 to 2") {
			t.Errorf("committed %d, %+v", offsets, p)
		}
		if n := len(w.log.lines(`msg="partition waits"`, "offset=1")); n != 1 {
			t.Errorf("it said %d times that it waits at offset 1", n)
		}
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}

		// What the error says to do.
		w.setOffset(0, 2)
		w.start(config(), sink)
		w.untilCommitted(3)
		if _, ok := sink.Read("c"); !ok {
			t.Error("the change after it was not applied")
		}
	})
}

// wrong is a processor that returns an error that makes no sense.
type wrong struct{ err error }

func (p *wrong) Process(context.Context, *pillows.Batch) error { return p.err }

func TestAnErrorThatMakesNoSenseIsWaitedForAndSettlesNothing(t *testing.T) {
	for reason, err := range map[string]error{
		"item 7 of 1 failed": &pillows.BatchError{Failed: []pillows.ItemError{{Index: 7, Err: errors.New("oops")}}},
		"item -1 of 1":       &pillows.BatchError{Failed: []pillows.ItemError{{Index: -1, Err: errors.New("oops")}}},
		"gave no reason":     &pillows.BatchError{Failed: []pillows.ItemError{{Index: 0}}},
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			w.save("a")
			w.start(config(), &wrong{err})
			time.Sleep(time.Minute)
			if offsets, p := w.committed(); offsets != 0 || p.State != pillows.Waiting || !strings.Contains(p.Reason, reason) {
				t.Errorf("committed %d, %+v, want a reason with %q", offsets, p, reason)
			}
		})
	}
}

func TestABatchErrorThatNamesNoItemIsNone(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.save("a")
		w.start(config(), &wrong{&pillows.BatchError{}})
		if p := w.untilCommitted(1); p.Applied != 1 {
			t.Errorf("progress %+v", p)
		}
	})
}
