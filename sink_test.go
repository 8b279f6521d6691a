package changefeed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed"
)

// progress records what an Acked is told.
type progress struct {
	mu     sync.Mutex
	floors []uint64
	err    error
	moved  chan struct{}
}

func newProgress() *progress { return &progress{moved: make(chan struct{}, 1)} }

func (p *progress) acked(floor uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.floors = append(p.floors, floor)
	p.err = errors.Join(p.err, err)
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

func (p *progress) state() (last uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.floors); n > 0 {
		last = p.floors[n-1]
	}
	return last, p.err
}

func changes(n int) []changefeed.Change {
	all := make([]changefeed.Change, n)
	for i := range all {
		all[i] = logChange()
		all[i].Meta.DocumentID = fmt.Sprint("doc", i%7)
		all[i].Position.Ordinal = uint64(i)
	}
	return all
}

func TestMemorySinkReportsTheContiguousFloor(t *testing.T) {
	p := newProgress()
	s := changefeed.NewMemorySink(p.acked)
	s.Hold()
	for seq := uint64(1); seq <= 4; seq++ {
		if err := s.Publish(t.Context(), seq*10, changes(2)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ ack, floor uint64 }{{20, 0}, {40, 0}, {10, 20}, {30, 40}} {
		s.Acknowledge(step.ack)
		if floor, err := p.state(); floor != step.floor || err != nil {
			t.Errorf("after %d the floor is %d, %v, want %d", step.ack, floor, err, step.floor)
		}
	}
	if diff := cmp.Diff(append(append(changes(2), changes(2)...), append(changes(2), changes(2)...)...), s.Changes()); diff != "" {
		t.Error(diff)
	}
}

func TestMemorySinkRefusesAfterAFailure(t *testing.T) {
	p := newProgress()
	s := changefeed.NewMemorySink(p.acked)
	broken := errors.New("broken")
	s.Fail(broken)
	if err := s.Publish(t.Context(), 1, changes(1)); !errors.Is(err, broken) {
		t.Errorf("Publish gave %v", err)
	}
	if _, err := p.state(); !errors.Is(err, broken) {
		t.Errorf("the failure was reported as %v", err)
	}
}

// kafka starts a broker inside the test's bubble.
func kafka(t *testing.T, topics ...string) (*kfake.Cluster, []kgo.Opt) {
	t.Helper()
	return kafkaOf(t, 1, topics...)
}

func kafkaSink(t *testing.T, brokers []kgo.Opt, p *progress) *changefeed.KafkaSink {
	t.Helper()
	client, err := kgo.NewClient(append(changefeed.ProducerOptions(), brokers...)...)
	if err != nil {
		t.Fatal(err)
	}
	s := changefeed.NewKafkaSink(client, p.acked)
	t.Cleanup(s.Close)
	return s
}

func TestKafkaSinkKeepsOrderAndPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql")
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		want := changes(1000)
		for i := range 10 {
			if err := s.Publish(t.Context(), uint64(i+1), want[i*100:(i+1)*100]); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if floor, err := p.state(); floor != 10 || err != nil {
			t.Errorf("floor %d, %v, want 10", floor, err)
		}
		checkTopic(t, brokers, want)
	})
}

// checkTopic reads as many records as there are changes, and wants those of
// each document in order, in the partition that the contract names.
func checkTopic(t *testing.T, brokers []kgo.Opt, want []changefeed.Change) {
	t.Helper()
	reader, err := kgo.NewClient(append(brokers, kgo.ConsumeTopics("form-sql"),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	next := map[string]uint64{}
	for read := 0; read < len(want); {
		reader.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			read++
			c, err := changefeed.ParseRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := changefeed.Partition(r.Key, 4); int(r.Partition) != got {
				t.Errorf("%q is in partition %d, want %d", r.Key, r.Partition, got)
			}
			if c.Position.Ordinal < next[c.Meta.DocumentID] {
				t.Errorf("%q came out of order", r.Key)
			}
			next[c.Meta.DocumentID] = c.Position.Ordinal + 1
			if diff := cmp.Diff(want[c.Position.Ordinal], c); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKafkaSinkWaitsForABrokerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, brokers := kafka(t, "form-sql")
		down := true
		cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if down {
				return nil, errors.New("connection cut"), true
			}
			return nil, nil, false
		})
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		if err := s.Publish(t.Context(), 1, changes(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if floor, err := p.state(); floor != 0 || err != nil {
			t.Errorf("with the broker down: floor %d, %v, want 0 and no failure", floor, err)
		}
		cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) { down = false; return nil, nil, false })
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if floor, err := p.state(); floor != 1 || err != nil {
			t.Errorf("with the broker back: floor %d, %v, want 1", floor, err)
		}
	})
}

func TestKafkaSinkHoldsABoundedNumberOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, brokers := kafka(t, "form-sql")
		stuck := changefeed.Partition([]byte("doc0"), 4)
		cluster.ControlKey(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			for _, topic := range r.(*kmsg.ProduceRequest).Topics {
				for _, p := range topic.Partitions {
					if int(p.Partition) == stuck {
						return nil, errors.New("connection cut"), true
					}
				}
			}
			return nil, nil, false
		})
		s := kafkaSink(t, brokers, newProgress())
		if err := s.Publish(t.Context(), 1, changes(1)); err != nil { // doc0, which is never acknowledged
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		batch, published := changes(500), 0
		var err error
		for seq := uint64(2); err == nil && published < 1_000_000; seq++ {
			for i := range batch {
				batch[i].Meta.DocumentID = "doc1"
			}
			if err = s.Publish(ctx, seq, batch); err == nil {
				published += len(batch)
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) || published < 5_000 || published > 20_000 {
			t.Errorf("%d changes went in behind one that is stuck, then %v: want some thousand, then no room", published, err)
		}
	})
}

func TestKafkaSinkFailsWhereARecordIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql")
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		bad := changes(1)
		bad[0].Topic = "no-such-topic"
		if err := s.Publish(t.Context(), 1, bad); err != nil {
			t.Fatal(err)
		}
		<-p.moved
		floor, err := p.state()
		if floor != 0 || !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "changefeed init") {
			t.Errorf("floor %d, %v: want 0 and the remedy", floor, err)
		}
		if err := s.Publish(t.Context(), 2, changes(1)); err == nil {
			t.Error("Publish went on after a failure")
		}
	})
}

func TestKafkaSinkDropsWhatIsNotAcknowledgedOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, brokers := kafka(t, "form-sql")
		cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			return nil, errors.New("connection cut"), true
		})
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		if err := s.Publish(t.Context(), 1, changes(3)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if floor, err := p.state(); floor != 0 || err != nil {
			t.Errorf("after Close: floor %d, %v, want 0 and no failure", floor, err)
		}
		if err := s.Publish(context.Background(), 2, changes(1)); !errors.Is(err, changefeed.ErrSinkClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
	})
}

func BenchmarkNewRecord(b *testing.B) {
	c := changes(1)
	b.ReportAllocs()
	for b.Loop() {
		changefeed.NewRecord(&c[0])
	}
}
