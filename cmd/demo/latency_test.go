package demo

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(math.Exp(random.NormFloat64()*2+8)) * time.Microsecond // around 3 ms, with a long tail
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		got := h.quantile(q)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.01 && got-want > time.Microsecond {
			t.Errorf("quantile %g is %s, want %s", q, got, want)
		}
	}
	if h.most != all[len(all)-1] {
		t.Errorf("the longest is %s, want %s", h.most, all[len(all)-1])
	}
}

func TestBucketsGrowWithDurations(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 3*time.Hour; d += max(d/300, time.Microsecond) {
		b := bucket(d)
		if b < last || b > last+1 {
			t.Fatalf("%s is in bucket %d, after %d", d, b, last)
		}
		if b != bucket(middle(b)) {
			t.Fatalf("the middle of bucket %d, %s, is in bucket %d", b, middle(b), bucket(middle(b)))
		}
		last = b
	}
	if bucket(-time.Second) != 0 || bucket(math.MaxInt64) != len(histogram{}.counts)-1 {
		t.Error("durations beyond the ends are not in the first and the last bucket")
	}
}

func TestMergedHistogramHasBoth(t *testing.T) {
	var a, b histogram
	a.add(time.Millisecond)
	b.add(time.Second)
	a.merge(&b)
	if a.total != 2 || a.most != time.Second || a.quantile(0.5).Round(10*time.Millisecond) != time.Second {
		t.Errorf("total %d, longest %s, median %s; want 2, 1s, 1s", a.total, a.most, a.quantile(0.5))
	}
	if q := (&histogram{}).quantile(0.5); q != 0 {
		t.Errorf("the median of nothing is %s", q)
	}
}

func TestQuantileIsNeverAboveTheLongest(t *testing.T) {
	var h histogram
	h.add(217_300 * time.Microsecond) // below the middle of its bucket
	if got := h.quantile(0.99); got > h.most {
		t.Errorf("p99 is %s, the longest %s", got, h.most)
	}
}
