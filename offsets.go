package changefeed

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Offsets are places in topics: of each topic, by partition number, the offset of
// the next record to read.
type Offsets map[string][]int64

// Clone returns a copy that shares nothing with o.
func (o Offsets) Clone() Offsets {
	if o == nil {
		return nil
	}
	c := make(Offsets, len(o))
	for topic, partitions := range o {
		c[topic] = slices.Clone(partitions)
	}
	return c
}

// past raises the offsets to those after the records, and returns them.
func (o Offsets) past(records []kgo.Record) Offsets {
	if o == nil {
		o = make(Offsets)
	}
	var topic string
	var partitions []int64 // of the topic: records of one topic come in runs
	for i := range records {
		r := &records[i]
		if r.Topic != topic {
			topic, partitions = r.Topic, o[r.Topic]
		}
		if n := int(r.Partition) + 1; n > len(partitions) {
			partitions = append(partitions, make([]int64, n-len(partitions))...)
			o[topic] = partitions
		}
		partitions[r.Partition] = max(partitions[r.Partition], r.Offset+1)
	}
	return o
}
