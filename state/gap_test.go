package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed/state"
)

func TestGapsAreKeptOnce(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	at := time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)
	first := state.Gap{Source: "main", From: 1<<63 + 1, To: 1<<64 - 1, Reason: "slot changefeed_main was lost: max_slot_wal_keep_size", At: at}
	second := state.Gap{Source: "main", From: first.From, To: first.To, Reason: "again", At: at.Add(time.Hour)}
	for _, g := range []state.Gap{first, first, second} {
		if err := s.RecordGap(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Gaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]state.Gap{second, first}, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if err := s.RecordGap(t.Context(), state.Gap{Source: "other"}); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Gaps(t.Context()); err != nil || len(got) != 3 || got[0].At.IsZero() {
		t.Errorf("a gap without a time: %+v, %v, want the time of its record", got, err)
	}
	for _, g := range []state.Gap{{From: 1, To: 2}, {Source: "main", From: 2, To: 1}} {
		if err := s.RecordGap(t.Context(), g); err == nil {
			t.Errorf("%+v was recorded", g)
		}
	}
}
