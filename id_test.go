package changefeed_test

import (
	"slices"
	"testing"

	"changefeed"
)

func TestJoinedIDsComeApartAgain(t *testing.T) {
	for _, tc := range []struct {
		parts []string
		want  string
	}{
		{[]string{"a/b%"}, "a/b%"},
		{[]string{"a", "b"}, "a/b"},
		{[]string{"a/b", "c"}, "a%2Fb/c"},
		{[]string{"a%2Fb", "c", ""}, "a%252Fb/c/"},
	} {
		id := changefeed.JoinID(tc.parts...)
		if id != tc.want {
			t.Errorf("JoinID(%q) = %q, want %q", tc.parts, id, tc.want)
		}
		if back, err := changefeed.SplitID(id, len(tc.parts)); err != nil || !slices.Equal(back, tc.parts) {
			t.Errorf("SplitID(%q) = %q, %v, want %q", id, back, err, tc.parts)
		}
	}
}

func TestSplitIDRefusesAnotherNumberOfParts(t *testing.T) {
	if parts, err := changefeed.SplitID("a/b", 3); err == nil {
		t.Errorf("SplitID gave %q, want an error", parts)
	}
}

func FuzzIDParts(f *testing.F) {
	f.Add("a/b", "%2F")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		back, err := changefeed.SplitID(changefeed.JoinID(a, b), 2)
		if err != nil || back[0] != a || back[1] != b {
			t.Errorf("%q and %q came back as %q, %v", a, b, back, err)
		}
	})
}
