package changefeed

import (
	"context"
	"slices"
	"sync"
)

// MemoryLog holds topics in memory, of one partition each: what MemorySinks have
// published to them outlives the sinks, as that of a broker outlives a session.
// Every topic exists.
type MemoryLog struct {
	mu     sync.Mutex
	topics map[string][]Change
}

// NewMemoryLog returns a log whose topics are empty.
func NewMemoryLog() *MemoryLog { return &MemoryLog{topics: make(map[string][]Change)} }

// Sink returns a sink that appends to the log. acked may be nil. Sinks of one log
// may be used at the same time.
func (l *MemoryLog) Sink(acked Acked) *MemorySink {
	if acked == nil {
		acked = func(uint64, error) {}
	}
	return &MemorySink{acked: acked, log: l, changed: make(chan struct{})}
}

// add appends a change to its topic and returns its offset.
func (l *MemoryLog) add(c *Change) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	topic := l.topics[c.Topic]
	l.topics[c.Topic] = append(topic, *c)
	return int64(len(topic))
}

// Changes returns a copy of what a topic holds: the change at offset n is the
// n-th, from 0.
func (l *MemoryLog) Changes(topic string) []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.topics[topic])
}

// Read calls each with the position of every change of the source from the given
// offsets on, and returns the ends of the topics. A topic without an offset, or
// with one beyond its end, is read from its beginning. What is published is in
// the log at once, so settled makes no difference.
func (l *MemoryLog) Read(ctx context.Context, source string, topics []string, from Offsets, _ bool, each func(Position) error) (Offsets, error) {
	ends := make(Offsets, len(topics))
	for _, topic := range topics {
		changes := l.Changes(topic)
		ends[topic] = []int64{int64(len(changes))}
		if offsets := from[topic]; len(offsets) > 0 && offsets[0] <= int64(len(changes)) {
			changes = changes[offsets[0]:]
		}
		for i := range changes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if changes[i].Position.Source != source {
				continue
			}
			if err := each(changes[i].Position); err != nil {
				return nil, err
			}
		}
	}
	return ends, nil
}

// Last calls each with the position of every change of the source, and returns
// the ends of the topics.
func (l *MemoryLog) Last(ctx context.Context, source string, topics []string, each func(Position) error) (Offsets, error) {
	return l.Read(ctx, source, topics, nil, true, each)
}
