package changefeed

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Sink publishes changes. One goroutine at a time may call Publish.
type Sink interface {
	// Publish hands over the changes of one sequence number, which must be
	// greater than that of every call before. Changes of one document keep the
	// order of the calls. It blocks while the sink is full, and returns an error
	// when ctx ends or the sink has failed; the floor then never reaches seq.
	// The sink keeps no reference to changes or their strings after it returns.
	Publish(ctx context.Context, seq uint64, changes []Change) error
}

// Acked is told how far a sink has come. Everything published with a sequence
// number ≤ floor has been acknowledged. Calls come one at a time, with a floor
// that never goes down, from a goroutine of the sink's: an Acked must not block
// and must not call the sink. A non-nil err says that the sink has failed: no
// higher floor will follow, and whoever publishes has to begin again from what
// the source has last been told.
type Acked func(floor uint64, err error)

// floor finds the acknowledged floor of batches that are acknowledged in any
// order. It is not safe for concurrent use.
type floor struct {
	open    []*batch // published, not yet below the floor, by sequence number
	value   uint64   // the floor
	held    int      // bytes of the open batches
	offsets Offsets  // one past the highest of each partition at or below the floor
	passed  func(*batch)
}

// batch is what one call of Publish handed over.
type batch struct {
	seq     uint64
	left    int          // records not yet acknowledged
	bytes   int          // that its records hold
	records []kgo.Record // an acknowledged one has its place: topic, partition, offset
	slab    *sinkSlab    // that a KafkaSink has them from
}

func (f *floor) add(seq uint64, records []kgo.Record, bytes int) *batch {
	b := &batch{seq: seq, left: len(records), bytes: bytes, records: records}
	f.open = append(f.open, b)
	f.held += bytes
	return b
}

// advance drops the finished batches at the front and reports whether the floor
// has risen.
func (f *floor) advance() bool {
	done := 0
	for done < len(f.open) && f.open[done].left == 0 {
		f.value = f.open[done].seq
		f.held -= f.open[done].bytes
		f.offsets = f.offsets.past(f.open[done].records)
		if f.passed != nil {
			f.passed(f.open[done])
		}
		f.open[done] = nil
		done++
	}
	f.open = f.open[done:]
	return done > 0
}
