package state_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/state"
)

func TestEpochsAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	const each = 20
	given, errs := make([]uint32, each), make([]error, each)
	var takers sync.WaitGroup
	for i := range each {
		takers.Go(func() { given[i], errs[i] = s.NextEpoch(t.Context(), 0) })
	}
	takers.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(given)
	for i, epoch := range given {
		if epoch != uint32(i+1) {
			t.Fatalf("epochs %v, want 1 to %d, each once", given, each)
		}
	}
}

func TestAnEpochIsAboveWhatIsKnownFromElsewhere(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for _, step := range []struct{ above, want uint32 }{
		{0, 1}, {5, 6}, {3, 7}, {7, 8}, {changefeed.MaxEpoch - 1, changefeed.MaxEpoch},
	} {
		got, err := s.NextEpoch(t.Context(), step.above)
		if err != nil || got != step.want {
			t.Fatalf("above %d: epoch %d, %v, want %d", step.above, got, err, step.want)
		}
	}
	for _, above := range []uint32{0, changefeed.MaxEpoch, 1<<32 - 1} {
		if got, err := s.NextEpoch(t.Context(), above); err == nil || !strings.Contains(err.Error(), "no room") {
			t.Errorf("above %d: epoch %d, %v, want an error", above, got, err)
		}
	}
}

func TestEpochsOfSourcesAreThoseOfTheirCheckpoints(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	if _, _, err := s.Claim(t.Context(), "claimed"); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint32{"main": 4, "other": 9}
	for _, source := range slices.Sorted(maps.Keys(want)) {
		number, _, err := s.Claim(t.Context(), source)
		if err == nil {
			err = s.Save(t.Context(), source, number, checkpoint(want[source], 1))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("epochs (-want +got):\n%s", diff)
	}
}

func TestWithoutTablesCallsSayWhatToRun(t *testing.T) {
	t.Parallel()
	s := state.New(newPool(t))
	_, errEpochs := s.Epochs(t.Context())
	_, _, errClaim := s.Claim(t.Context(), "main")
	for _, err := range []error{errEpochs, errClaim} {
		if err == nil || !strings.Contains(err.Error(), "changefeed init") {
			t.Errorf("error %v does not name the command", err)
		}
	}
}
