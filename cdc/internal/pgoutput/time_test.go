package pgoutput_test

import (
	"math"
	"testing"
	"time"

	"changefeed/cdc/internal/pgoutput"
)

func TestTimeCountsMicrosecondsFrom2000(t *testing.T) {
	tests := map[int64]time.Time{
		0:                   time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
		1:                   time.Date(2000, time.January, 1, 0, 0, 0, 1_000, time.UTC),
		-1:                  time.Date(1999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC),
		762_525_296_789_012: time.Date(2024, time.February, 29, 12, 34, 56, 789_012_000, time.UTC),
	}
	for microseconds, want := range tests {
		if got := pgoutput.Time(microseconds); got != want {
			t.Errorf("Time(%d) = %v, want %v", microseconds, got, want)
		}
	}
}

func TestMicrosecondsIsTheInverseOfTime(t *testing.T) {
	for _, want := range []int64{0, 1, -1, 999_999, -1_000_001, math.MaxInt64, math.MinInt64} {
		if got := pgoutput.Microseconds(pgoutput.Time(want)); got != want {
			t.Errorf("Microseconds(Time(%d)) = %d", want, got)
		}
	}
}

func TestMicrosecondsCutsOffNanoseconds(t *testing.T) {
	if got := pgoutput.Microseconds(pgoutput.Time(5).Add(999)); got != 5 {
		t.Errorf("got %d, want 5", got)
	}
}
