package changefeed

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MemorySink is a Sink that keeps its changes in memory, for tests and for
// programs without a broker. It acknowledges at once unless told to hold.
type MemorySink struct {
	acked Acked
	log   *MemoryLog

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when changes grows
	changes []Change
	floor   floor
	held    bool
	err     error
}

var _ Sink = (*MemorySink)(nil)

// NewMemorySink returns a sink with topics of its own. acked may be nil.
func NewMemorySink(acked Acked) *MemorySink { return NewMemoryLog().Sink(acked) }

// Publish implements [Sink]. Each change is written to a record and read back,
// so that what the sink holds is what a reader of a topic would get.
func (s *MemorySink) Publish(ctx context.Context, seq uint64, changes []Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	records := make([]kgo.Record, len(changes))
	for i := range changes {
		c, err := ParseRecord(NewRecord(&changes[i]))
		if err != nil {
			return err
		}
		s.changes = append(s.changes, c)
		records[i] = kgo.Record{Topic: c.Topic, Offset: s.log.add(&c)}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	b := s.floor.add(seq, records, 0)
	if !s.held {
		b.left = 0
	}
	s.report()
	return nil
}

func (s *MemorySink) report() {
	if s.err == nil && s.floor.advance() {
		s.acked(s.floor.value, nil)
	}
}

// Offsets returns, of every topic written to, one past the offset of the last
// change at or below the floor, in the log that the sink belongs to.
func (s *MemorySink) Offsets() Offsets {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor.offsets.Clone()
}

// Close ends the sink: nothing more is published or acknowledged. What has been
// published stays in its log, acknowledged or not.
func (s *MemorySink) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = ErrSinkClosed
	}
}

// Hold stops acknowledgements until Release.
func (s *MemorySink) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
}

// Release acknowledges everything published so far and all that follows.
func (s *MemorySink) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	for _, b := range s.floor.open {
		b.left = 0
	}
	s.report()
}

// Acknowledge acknowledges one sequence number while the sink holds, in any
// order.
func (s *MemorySink) Acknowledge(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.floor.open {
		if b.seq == seq {
			b.left = 0
		}
	}
	s.report()
}

// Fail makes the sink fail as a broker would that refuses a record.
func (s *MemorySink) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.acked(s.floor.value, err)
	}
}

// Changes returns a copy of what has been published so far.
func (s *MemorySink) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Change(nil), s.changes...)
}

// Wait blocks until at least n changes have been published, or ctx ends.
func (s *MemorySink) Wait(ctx context.Context, n int) ([]Change, error) {
	for {
		s.mu.Lock()
		changed, have := s.changed, len(s.changes)
		s.mu.Unlock()
		if have >= n {
			return s.Changes(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.Changes(), ctx.Err()
		}
	}
}
