package changefeed

const (
	// slabRecords is the number of records in a usual slab.
	slabRecords = 512
	// keptSlabs are not given back to the garbage collector.
	keptSlabs = 16
)

// sinkSlab is a slab of a sink: several batches are built in one, and it is used
// again when the floor has passed all of them. The fields are guarded by the sink's mu.
type sinkSlab struct {
	*recordSlab
	open int  // batches that the floor has not passed
	full bool // no batch is added any more
}

// slabFor returns a slab with room for n records.
func (s *KafkaSink) slabFor(n int) *sinkSlab {
	if s.slab != nil && s.slab.room() >= n {
		return s.slab
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.slab; old != nil {
		old.full = true
		if old.open == 0 {
			s.keep(old)
		}
	}
	if last := len(s.free) - 1; last >= 0 && n <= slabRecords {
		s.slab, s.free = s.free[last], s.free[:last]
		s.slab.reset()
		s.slab.full = false
	} else {
		s.slab = &sinkSlab{recordSlab: newRecordSlab(max(n, slabRecords))}
	}
	return s.slab
}

// release is told of a batch that the floor has passed.
func (s *KafkaSink) release(b *batch) {
	if b.slab.open--; b.slab.open == 0 && b.slab.full {
		s.keep(b.slab)
	}
}

// keep keeps a slab that nobody uses for another use, unless it is larger than
// usual.
func (s *KafkaSink) keep(slab *sinkSlab) {
	if len(s.free) < keptSlabs && cap(slab.records) <= slabRecords && cap(slab.bytes) <= 2*slabRecords*bytesPerRecord {
		s.free = append(s.free, slab)
	}
}

// settled reports whether everything that was published is acknowledged.
func (s *KafkaSink) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.floor.open) == 0
}

// failed reports whether nothing will be acknowledged any more.
func (s *KafkaSink) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}
