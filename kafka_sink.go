package changefeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ProducerOptions are the client options without which records would break the
// contract: idempotent, acknowledged by all replicas, retried without end,
// partitioned by the key over all partitions, never compressed. Append to them
// the addresses and the security of the brokers.
func ProducerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(kgo.KafkaHasher(Murmur2))),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(0), // the sink waits by itself, where that is of use
		kgo.MaxBufferedRecords(50_000),
		kgo.MaxBufferedBytes(16 << 20),
		kgo.UnknownTopicRetries(4),
	}
}

// ErrSinkClosed is returned by Publish after a record could not be delivered or
// the sink was closed.
var ErrSinkClosed = errors.New("sink is closed")

// maxHeld bounds the bytes of what is published and above the floor. The client
// bounds what it buffers, but one record that is not acknowledged keeps the
// memory of those it was allocated with, and the floor below all that follow.
const maxHeld = 6 << 20

// recordOverhead is what a record takes beside the bytes of its parts: the
// structure, which lives until the floor has passed it, and three headers.
const recordOverhead = 160 + 3*40

// KafkaSink is a Sink on Kafka topics. Topics must exist.
type KafkaSink struct {
	client *kgo.Client
	acked  Acked
	room   chan struct{} // told when the floor has risen or the sink has failed

	// Of the goroutine that publishes.
	slab *sinkSlab // that is being filled
	pace pace

	mu    sync.Mutex // serialises acknowledgements, which come from the client's goroutines
	floor floor
	free  []*sinkSlab
	err   error // the first failure
}

var _ Sink = (*KafkaSink)(nil)

// NewKafkaSink returns a sink that produces with the client, which has been made
// with [ProducerOptions] and belongs to the sink: Close closes it.
func NewKafkaSink(client *kgo.Client, acked Acked) *KafkaSink {
	s := &KafkaSink{client: client, acked: acked, room: make(chan struct{}, 1)}
	s.floor.passed = s.release
	return s
}

// Publish implements [Sink].
func (s *KafkaSink) Publish(ctx context.Context, seq uint64, changes []Change) error {
	if err := s.pace.wait(ctx, s, len(changes)); err != nil {
		return err
	}
	slab := s.slabFor(len(changes))
	bytes, first := len(slab.bytes), len(slab.records)
	for i := range changes {
		slab.add(&changes[i])
	}
	b, err := s.begin(ctx, seq, slab, slab.records[first:], len(slab.bytes)-bytes+len(changes)*recordOverhead)
	if err != nil {
		return err
	}
	s.pace.produced = time.Now()
	promise := func(r *kgo.Record, err error) { s.finish(b, r, err) }
	for i := range b.records {
		s.client.Produce(ctx, &b.records[i], promise)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// begin enters a batch, once there is room for it. There always is where nothing
// is above the floor.
func (s *KafkaSink) begin(ctx context.Context, seq uint64, slab *sinkSlab, records []kgo.Record, bytes int) (*batch, error) {
	for {
		if b, err := s.tryBegin(seq, slab, records, bytes); b != nil || err != nil {
			return b, err
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *KafkaSink) tryBegin(seq uint64, slab *sinkSlab, records []kgo.Record, bytes int) (*batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.floor.held > 0 && s.floor.held+bytes > maxHeld {
		return nil, nil
	}
	b := s.floor.add(seq, records, bytes)
	b.slab = slab
	slab.open++
	s.advance()
	return b, nil
}

// advance reports the floor where it has risen.
func (s *KafkaSink) advance() {
	if s.floor.advance() {
		s.acked(s.floor.value, nil)
		s.tellRoom()
	}
}

func (s *KafkaSink) tellRoom() {
	select {
	case s.room <- struct{}{}:
	default: // told already
	}
}

// finish is called once a record, by one goroutine of the client at a time.
func (s *KafkaSink) finish(b *batch, r *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return // a floor above a failure would claim what was not delivered
	}
	if err != nil {
		s.err = fmt.Errorf("publish %q to topic %s: %w", r.Key, r.Topic, explainProduce(err))
		s.acked(s.floor.value, s.err)
		s.tellRoom()
		return
	}
	r.Key, r.Value, r.Headers, r.Context = nil, nil, nil, nil // the batch keeps where it is, not what it was
	if b.left--; b.left == 0 {
		s.advance()
	}
}

// Offsets returns, of every topic and partition written to, one past the offset
// of the last record at or below the floor. Of a topic it goes up to the highest
// partition that has such a record; 0 says that a partition has none. Whoever
// calls it before reading the floor that Acked was told gets no offset beyond a
// record above that floor in the same partition.
func (s *KafkaSink) Offsets() Offsets {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor.offsets.Clone()
}

// Flush waits until everything published has been acknowledged, or ctx ends.
func (s *KafkaSink) Flush(ctx context.Context) error {
	if err := s.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush sink: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close drops what has not been acknowledged and closes the client.
func (s *KafkaSink) Close() {
	s.mu.Lock()
	if s.err == nil {
		s.err = ErrSinkClosed // the records dropped below must not report a failure
	}
	s.tellRoom()
	s.mu.Unlock()
	s.client.CloseAllowingRebalance()
}
