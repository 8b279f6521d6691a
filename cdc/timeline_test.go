package cdc

import (
	"slices"
	"strings"
	"testing"
)

func TestTimelineHistoryIsRead(t *testing.T) {
	got, err := parseTimelineHistory([]byte("# comment\n1\t0/3000158\tno recovery target specified\n\n 2 A/5000000 before 2026-01-01 \n"))
	want := []timelineEnd{{1, 0x3000158}, {2, 0xA05000000}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"1", "x 0/1 y", "1 0 y", "1 0/x y", "1 z/1", "99999999999 0/1", "1 0/" + strings.Repeat("1", 1<<17)} {
		if got, err := parseTimelineHistory([]byte(text)); err == nil {
			t.Errorf("%.40q is %v, want an error", text, got)
		}
	}
}

func FuzzTimelineHistory(f *testing.F) {
	f.Add([]byte("1\t0/3000158\tno recovery target specified\n"))
	f.Add([]byte("#\n\n1 0/1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		ends, err := parseTimelineHistory(content)
		if err != nil && ends != nil {
			t.Errorf("%v with an error", ends)
		}
	})
}
