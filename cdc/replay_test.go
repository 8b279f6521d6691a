package cdc

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against the definition, over logs of any shape read from anywhere: what is in
// the topics is recognized, and nothing else; an end may be confirmed when all
// that was expected has been met; a log without one of the places ends it.
func TestReplayRecognizesWhatTheTopicsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []place
		for i := range rapid.IntRange(1, 8).Draw(t, "transactions") {
			for n := range rapid.IntRange(1, 4).Draw(t, "documents") {
				log = append(log, place{lsn: uint64(100 + 10*i), ordinal: uint64(n)})
			}
		}
		acknowledged := rapid.IntRange(0, len(log)).Draw(t, "acknowledged")
		var floor place
		if acknowledged > 0 {
			floor = log[acknowledged-1]
		}
		held := make(map[place]bool)
		var expected []place
		for i, p := range log {
			if held[p] = i < acknowledged || rapid.Bool().Draw(t, "arrived"); held[p] && i >= acknowledged {
				expected = append(expected, p, p) // read back twice, in any order
			}
		}
		start := rapid.SampledFrom(log).Draw(t, "start").lsn
		var missing *place
		if rapid.Bool().Draw(t, "another log") {
			missing = &log[rapid.IntRange(0, len(log)-1).Draw(t, "place it lacks")]
		}
		expected = expectedFrom(start, floor, rapid.Permutation(expected).Draw(t, "order"))
		r := newReplay(0, floor, slices.Clone(expected))
		for i, p := range log {
			if p.lsn < start || missing != nil && p == *missing {
				continue
			}
			got, err := r.holds(p)
			if lacks(t, err, missing, p.lsn+1, expected) {
				return
			}
			if got != held[p] {
				t.Fatalf("%v is held: %v, want %v", p, got, held[p])
			}
			if i+1 < len(log) && log[i+1].lsn == p.lsn {
				continue
			}
			end := p.lsn + 10
			known, err := r.passes(end)
			if lacks(t, err, missing, end, expected) {
				return
			}
			pending := slices.ContainsFunc(expected, func(e place) bool { return e.lsn >= end })
			if known == pending {
				t.Fatalf("the end %d is known: %v, with %v expected", end, known, expected)
			}
		}
		_, err := r.passes(1000)
		lacks(t, err, missing, 1000, expected)
		if err == nil && !r.confirmed.Load() {
			t.Fatal("the whole log was read, and it is not confirmed")
		}
	})
}

// lacks checks an error: there is one if and only if a place that was expected
// below end is missing.
func lacks(t *rapid.T, err error, missing *place, end uint64, expected []place) bool {
	want := missing != nil && missing.lsn < end && slices.Contains(expected, *missing)
	other, is := errors.AsType[*otherLogError](err)
	switch {
	case is != (err != nil) || is && !interrupts(err):
		t.Fatalf("error %v, want one of another log that interrupts", err)
	case is && (!want || other.missing != *missing):
		t.Fatalf("%v, missing %v, expected %v", err, missing, expected)
	}
	return is
}

func TestWholeTransactionsBelowTheCheckpointAreHeld(t *testing.T) {
	r := newReplay(200, place{}, nil)
	for _, tt := range []struct {
		at   place
		want bool
	}{{place{150, 0}, true}, {place{199, 7}, true}, {place{200, 0}, false}, {place{210, 0}, false}} {
		if got, err := r.holds(tt.at); got != tt.want || err != nil {
			t.Errorf("%v is held: %v, %v; want %v", tt.at, got, err, tt.want)
		}
	}
	if !r.over {
		t.Error("behind the checkpoint it still asks")
	}
}

func BenchmarkReplayOfAMillionChanges(b *testing.B) {
	const changes = 1_000_000
	all := make([]place, changes)
	for i := range all {
		all[i] = place{lsn: uint64(i / 100), ordinal: uint64(i % 100)}
	}
	b.ReportAllocs()
	for b.Loop() {
		r := newReplay(0, place{}, slices.Clone(all))
		for _, p := range all {
			if held, err := r.holds(p); !held || err != nil {
				b.Fatal(held, err)
			}
		}
	}
}
