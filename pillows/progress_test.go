package pillows_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"changefeed/pillows"
)

func TestProgressIsReadableText(t *testing.T) {
	p := pillows.Progress{Changes: 15, Counts: pillows.Counts{Applied: 12, Superseded: 3}, State: pillows.Running}
	if got, want := p.Metadata(), "v1 changes=15 applied=12 superseded=3 filtered=0 parked=0 state=running"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.State, p.Since, p.Reason = pillows.Waiting, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), `report: column "total" is null`
	if got, want := p.Metadata(), `v1 changes=15 applied=12 superseded=3 filtered=0 parked=0 state=waiting since=2026-01-02T03:04:05Z reason="report: column \"total\" is null"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestProgressSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.Int64Range(0, 1<<62)
		want := pillows.Progress{
			Changes: count.Draw(t, "changes"),
			Counts:  pillows.Counts{Applied: count.Draw(t, "applied"), Superseded: count.Draw(t, "superseded"), Filtered: count.Draw(t, "filtered"), Parked: count.Draw(t, "parked")},
			State:   rapid.SampledFrom([]pillows.State{pillows.Running, pillows.Waiting}).Draw(t, "state"),
			Reason:  rapid.String().Draw(t, "reason"),
		}
		if rapid.Bool().Draw(t, "since") {
			want.Since = time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), 0).UTC()
		}
		text := want.Metadata()
		if len(text) > 1024 {
			t.Fatalf("%d bytes", len(text))
		}
		got, err := pillows.ParseProgress(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Reason) < len(want.Reason) && strings.HasPrefix(want.Reason, got.Reason) && len(text) > 800 {
			got.Reason = want.Reason // it had to give way
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestProgressPassesOverFieldsOfLaterVersions(t *testing.T) {
	got, err := pillows.ParseProgress(`v1 changes=2 later="a b" applied=2 state=paused other=x`)
	want := pillows.Progress{Changes: 2, Counts: pillows.Counts{Applied: 2}, State: "paused"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
}

func TestForeignMetadataIsNoProgress(t *testing.T) {
	for _, text := range []string{"", "kgo-1234", "v2 changes=1", "v1 changes=many", "v1 since=yesterday"} {
		if _, err := pillows.ParseProgress(text); !errors.Is(err, pillows.ErrProgress) {
			t.Errorf("%q: error %v, want ErrProgress", text, err)
		}
	}
}

func FuzzParseProgress(f *testing.F) {
	f.Add(`v1 changes=15 applied=12 superseded=3 filtered=0 parked=0 state=waiting since=2026-01-02T03:04:05Z reason="a \"b\""`)
	f.Add(`v1 =`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pillows.ParseProgress(text)
		if err == nil && len(p.Metadata()) > 1024 && len(p.State) < 100 {
			t.Errorf("%q became %d bytes", text, len(p.Metadata()))
		}
	})
}
