package changefeed

import "slices"

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
