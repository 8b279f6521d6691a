package cdctest

import (
	"context"
	"slices"
	"sync"

	"changefeed"
	"changefeed/cdc"
)

// Topics is a broker in memory: topics of several partitions, which outlive the
// sinks that publish to them and can be read back. What a sink holds is on its
// way: it can arrive in part, without being acknowledged, and after the sink has
// been closed.
type Topics struct {
	partitions int

	mu      sync.Mutex
	logs    map[string][][]changefeed.Change
	sinks   []*TopicSink
	held    bool // new sinks hold
	err     error
	arrived chan struct{} // closed and replaced when something has arrived
}

var _ cdc.Tails = (*Topics)(nil)

// NewTopics returns empty topics.
func NewTopics(partitions int, names ...string) *Topics {
	t := &Topics{partitions: partitions, logs: make(map[string][][]changefeed.Change), arrived: make(chan struct{})}
	for _, name := range names {
		t.logs[name] = make([][]changefeed.Change, partitions)
	}
	return t
}

// Open makes a sink. It is a [cdc.Deps.OpenSink].
func (t *Topics) Open(acked changefeed.Acked) (cdc.Sink, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &TopicSink{of: t, acked: acked, held: t.held, offsets: make(changefeed.Offsets)}
	t.sinks = append(t.sinks, s)
	return s, nil
}

// Hold makes sinks that are opened from now on hold what they are given, or not.
func (t *Topics) Hold(held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = held
}

// Fail makes reading back fail with err from now on, or succeed again where it is
// nil.
func (t *Topics) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// AddPartitions gives every topic more partitions.
func (t *Topics) AddPartitions(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partitions += n
	for name, log := range t.logs {
		t.logs[name] = append(log, make([][]changefeed.Change, n)...)
	}
}

// Sink returns the sink that was opened last, nil where there is none.
func (t *Topics) Sink() *TopicSink {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sinks) == 0 {
		return nil
	}
	return t.sinks[len(t.sinks)-1]
}

// Partitions returns a copy of what a topic holds, by partition.
func (t *Topics) Partitions(topic string) [][]changefeed.Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	var logs [][]changefeed.Change
	for _, log := range t.logs[topic] {
		logs = append(logs, slices.Clone(log))
	}
	return logs
}

// Wait waits until a topic has a change of a document, or ctx ends.
func (t *Topics) Wait(ctx context.Context, topic, id string) error {
	for {
		t.mu.Lock()
		arrived := t.arrived
		log := t.logs[topic][changefeed.Partition([]byte(id), t.partitions)]
		found := slices.ContainsFunc(log, func(c changefeed.Change) bool { return c.Meta.DocumentID == id })
		t.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Read implements [cdc.Tails]. Where not all is settled, what closed sinks have
// left on its way arrives first.
func (t *Topics) Read(ctx context.Context, source string, topics []string, from changefeed.Offsets, settled bool, each func(changefeed.Position) error) (changefeed.Offsets, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil, t.err
	}
	for _, s := range t.sinks {
		if s.closed && !settled {
			s.arrive(nil)
		}
	}
	ends := make(changefeed.Offsets)
	for _, topic := range topics {
		for partition, log := range t.logs[topic] {
			ends[topic] = append(ends[topic], int64(len(log)))
			if offsets := from[topic]; partition < len(offsets) && offsets[partition] <= int64(len(log)) {
				log = log[offsets[partition]:]
			}
			for i := range log {
				if log[i].Position.Source != source {
					continue
				}
				if err := each(log[i].Position); err != nil {
					return nil, err
				}
			}
		}
	}
	return ends, ctx.Err()
}

// Last implements [cdc.Tails].
func (t *Topics) Last(ctx context.Context, source string, topics []string, each func(changefeed.Position) error) (changefeed.Offsets, error) {
	return t.Read(ctx, source, topics, nil, true, each)
}

// TopicSink publishes to Topics. What it is given is there and acknowledged at
// once, unless it holds.
type TopicSink struct {
	of    *Topics
	acked changefeed.Acked

	// Guarded by the mutex of the topics.
	held    bool
	closed  bool
	err     error
	pending []*sent // published and not below the floor, in order
	offsets changefeed.Offsets
}

var _ cdc.Sink = (*TopicSink)(nil)

// sent is what was published under one sequence number.
type sent struct {
	seq     uint64
	changes []changefeed.Change
	offsets []int64 // -1: on its way
}

// Publish implements [changefeed.Sink].
func (s *TopicSink) Publish(ctx context.Context, seq uint64, changes []changefeed.Change) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	p := &sent{seq: seq}
	for i := range changes {
		c, err := changefeed.ParseRecord(changefeed.NewRecord(&changes[i]))
		if err != nil {
			return err
		}
		p.changes, p.offsets = append(p.changes, c), append(p.offsets, -1)
	}
	s.pending = append(s.pending, p)
	if !s.held {
		s.acknowledge()
	}
	return ctx.Err()
}

// acknowledge lets everything arrive and acknowledges it.
func (s *TopicSink) acknowledge() {
	s.arrive(nil)
	for _, p := range s.pending {
		for i, offset := range p.offsets {
			topic, partition := p.changes[i].Topic, s.partition(&p.changes[i])
			if n := partition + 1 - len(s.offsets[topic]); n > 0 {
				s.offsets[topic] = append(s.offsets[topic], make([]int64, n)...)
			}
			s.offsets[topic][partition] = offset + 1
		}
	}
	if n := len(s.pending); n > 0 {
		seq := s.pending[n-1].seq
		s.pending = nil
		s.acked(seq, nil)
	}
}

func (s *TopicSink) partition(c *changefeed.Change) int {
	return changefeed.Partition([]byte(c.Meta.DocumentID), s.of.partitions)
}

// arrive lets what is on its way arrive: of each partition the first so many that
// first says, all where it is nil. Those of one partition arrive in order.
func (s *TopicSink) arrive(first func(topic string, partition int) int) {
	room := make(map[string]map[int]int)
	for _, p := range s.pending {
		for i := range p.changes {
			topic, partition := p.changes[i].Topic, s.partition(&p.changes[i])
			if p.offsets[i] >= 0 {
				continue
			}
			if first != nil {
				if room[topic] == nil {
					room[topic] = make(map[int]int)
				}
				if _, asked := room[topic][partition]; !asked {
					room[topic][partition] = first(topic, partition)
				}
				if room[topic][partition]--; room[topic][partition] < 0 {
					continue
				}
			}
			log := s.of.logs[topic]
			p.offsets[i] = int64(len(log[partition]))
			log[partition] = append(log[partition], p.changes[i])
		}
	}
	close(s.of.arrived)
	s.of.arrived = make(chan struct{})
}

// Hold keeps what is published from now on on its way.
func (s *TopicSink) Hold() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.held = true
}

// Release lets all arrive, acknowledges it, and does so with what follows.
func (s *TopicSink) Release() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.held = false
	if s.err == nil {
		s.acknowledge()
	}
}

// Arrive lets a part of what is on its way arrive, without acknowledging it: of
// each partition the first so many. What was published to one partition arrives in
// order.
func (s *TopicSink) Arrive(first func(topic string, partition int) int) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.arrive(first)
}

// Acknowledge lets the first n batches that are on their way arrive, and
// acknowledges them.
func (s *TopicSink) Acknowledge(n int) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if n = min(n, len(s.pending)); n == 0 || s.err != nil {
		return
	}
	rest := s.pending[n:]
	s.pending = s.pending[:n:n]
	s.acknowledge()
	s.pending = rest
}

// Lose drops what is on its way.
func (s *TopicSink) Lose() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.pending = nil
}

// Pending returns the number of batches that are on their way.
func (s *TopicSink) Pending() int {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return len(s.pending)
}

// Fail makes the sink fail as a broker would that refuses a record.
func (s *TopicSink) Fail(err error) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.acked(0, err)
	}
}

// Offsets implements [cdc.Sink].
func (s *TopicSink) Offsets() changefeed.Offsets {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return s.offsets.Clone()
}

// Close implements [cdc.Sink]. What is on its way arrives when the topics are read
// back, unless it is lost before: see Lose.
func (s *TopicSink) Close() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.closed = true
	if s.err == nil {
		s.err = changefeed.ErrSinkClosed
	}
}
