package demo

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width grows with the duration: up
// to 255 µs each microsecond has its own, above that a bucket is at most 1/128 of
// its durations wide. So a quantile is off by less than 1 %, in bounded memory.
type histogram struct {
	counts [(topShift+1)*128 + 128]uint32
	total  int
	most   time.Duration
}

const (
	topShift       = 24
	longestCounted = 1<<(topShift+8) - 1 // in µs: more than an hour
)

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.most = max(h.most, d)
}

func bucket(d time.Duration) int {
	v := uint64(min(max(d.Microseconds(), 0), longestCounted))
	shift := max(bits.Len64(v)-8, 0)
	return shift*128 + int(v>>shift)
}

// middle is the duration in the middle of a bucket.
func middle(bucket int) time.Duration {
	if bucket < 256 {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket/128 - 1
	low := uint64(bucket-shift*128) << shift
	return time.Duration(low+1<<shift/2) * time.Microsecond
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.most = max(h.most, other.most)
}

// quantile returns the duration below which a fraction q of all are, 0 where
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := int(q*float64(h.total)), 0
	for i, n := range h.counts {
		if seen += int(n); n > 0 && seen > rank {
			return min(middle(i), h.most)
		}
	}
	return h.most
}

// text writes a quantile, or a dash where nothing was measured.
func (h *histogram) text(q float64) string {
	if h.total == 0 {
		return "–"
	}
	return duration(h.quantile(q))
}
