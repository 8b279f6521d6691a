package changefeed_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"changefeed"
)

func TestPositionTextIsStable(t *testing.T) {
	p := changefeed.Position{Source: "main", Epoch: 1, LSN: 0x16B374D848, Ordinal: 3}
	const text = "main/1/00000016B374D848/3"
	if got := p.String(); got != text {
		t.Errorf("String() = %q, want %q", got, text)
	}
	back, err := changefeed.ParsePosition(text)
	if err != nil || back != p {
		t.Errorf("ParsePosition(%q) = %v, %v, want %v", text, back, err, p)
	}
}

func TestParsePositionRefusesOtherText(t *testing.T) {
	for _, text := range []string{
		"", "main", "main/1/16B374D848/3", "/1/00000016B374D848/3", "main/x/00000016B374D848/3",
		"main/1/00000016B374D84G/3", "main/1/00000016B374D848/-1", "main/1/00000016B374D848/3/4",
		"main/4294967296/00000016B374D848/3",
	} {
		if p, err := changefeed.ParsePosition(text); !errors.Is(err, changefeed.ErrPosition) {
			t.Errorf("ParsePosition(%q) = %v, %v, want ErrPosition", text, p, err)
		}
	}
}

func TestPositionsOrderByEpochThenLSNThenOrdinal(t *testing.T) {
	sorted := []changefeed.Position{
		{Source: "s", Epoch: 1, LSN: 9, Ordinal: 9},
		{Source: "s", Epoch: 2, LSN: 1, Ordinal: 7},
		{Source: "s", Epoch: 2, LSN: 2, Ordinal: 0},
		{Source: "s", Epoch: 2, LSN: 2, Ordinal: 1},
		{Source: "s", Epoch: 2, LSN: math.MaxUint64, Ordinal: 0},
	}
	if !slices.IsSortedFunc(sorted, changefeed.Position.Compare) {
		t.Error("positions do not compare in order")
	}
	same := sorted[0]
	if sorted[0].Compare(same) != 0 || sorted[1].Compare(same) <= 0 {
		t.Error("Compare is not antisymmetric")
	}
}

func TestVersionsFromTheLogAreAboveAllClockVersions(t *testing.T) {
	first, err := changefeed.LogVersion(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if clock := changefeed.ClockVersion(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); clock >= first {
		t.Errorf("clock version %d is not below the log's first, %d", clock, first)
	}
	second, err := changefeed.LogVersion(2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := changefeed.LogVersion(1, changefeed.MaxVersionLSN); err != nil || last >= second {
		t.Errorf("the last version of epoch 1 is %d, %v: want below %d", last, err, second)
	}
}

func TestLogVersionFailsWhereItWouldSortWrongly(t *testing.T) {
	for _, tc := range []struct {
		epoch uint32
		lsn   uint64
	}{{0, 1}, {changefeed.MaxEpoch + 1, 1}, {1, changefeed.MaxVersionLSN + 1}} {
		if v, err := changefeed.LogVersion(tc.epoch, tc.lsn); err == nil {
			t.Errorf("LogVersion(%d, %X) = %d, want an error", tc.epoch, tc.lsn, v)
		}
	}
	if v, err := changefeed.LogVersion(changefeed.MaxEpoch, changefeed.MaxVersionLSN); err != nil || v != math.MaxInt64 {
		t.Errorf("the greatest version is %d, %v, want %d", v, err, int64(math.MaxInt64))
	}
}
