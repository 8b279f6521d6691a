package pillows

import (
	"cmp"
	"slices"
	"strings"
)

// Stats is what a running pillow does, as seen in its own process.
type Stats struct {
	// Waiting says why the pillow as a whole does not read or commit, or is
	// empty: brokers that do not answer, topics that do not exist, a group that
	// cannot be joined.
	Waiting string
	// Partitions are those that are assigned to this member, by topic and number.
	Partitions []PartitionStats
}

// PartitionStats is the state of one partition.
type PartitionStats struct {
	Topic     string
	Partition int32
	// NextOffset is the lowest offset without a verdict from every processor, and
	// EndOffset the high watermark last seen; -1 where not known yet.
	NextOffset, EndOffset int64
	// Lag is the difference, or -1.
	Lag int64
	// Queued is the number of changes read ahead.
	Queued int
	// Progress has the verdicts since the group began, whichever member reached
	// them, and the state with its reason.
	Progress
}

// Stats returns what the pillow does now. It may be called from any goroutine; a
// pillow that does not run has no partitions.
func (p *Pillow) Stats() Stats {
	m := p.member.Load()
	if m == nil {
		return Stats{}
	}
	var s Stats
	for _, n := range []*notice{&m.brokers, &m.group, &m.committer.notice} {
		if text := n.lasting(); text != "" {
			s.Waiting = strings.TrimPrefix(s.Waiting+"; "+text, "; ")
		}
	}
	for _, w := range m.all() {
		s.Partitions = append(s.Partitions, w.stats())
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStats) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return s
}

func (w *worker) stats() PartitionStats {
	queued := w.queue.length()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := PartitionStats{
		Topic:      w.partition.topic,
		Partition:  w.partition.number,
		NextOffset: w.status.next.Offset,
		EndOffset:  w.status.end,
		Lag:        -1,
		Queued:     queued,
		Progress:   w.status.progress,
	}
	if s.NextOffset >= 0 && s.EndOffset >= 0 {
		s.Lag = max(s.EndOffset-s.NextOffset, 0)
	}
	return s
}

// setEnd notes the high watermark.
func (w *worker) setEnd(end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.end = end
}

// position returns the lowest offset without all its verdicts, or -1.
func (w *worker) position() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.next.Offset
}
