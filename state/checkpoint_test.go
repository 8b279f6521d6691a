package state_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/state"
)

func claim(t *testing.T, s *state.Store) (int64, *state.Checkpoint) {
	t.Helper()
	number, saved, err := s.Claim(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	return number, saved
}

func save(t *testing.T, s *state.Store, number int64, c state.Checkpoint) {
	t.Helper()
	if err := s.Save(t.Context(), "main", number, c); err != nil {
		t.Fatal(err)
	}
}

func TestAClaimReturnsWhatWasSavedLast(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	first, saved := claim(t, s)
	if saved != nil {
		t.Fatalf("a source that nobody published has the checkpoint %+v", saved)
	}
	second, saved := claim(t, s)
	if saved != nil || second <= first {
		t.Fatalf("claim %d after %d, checkpoint %+v", second, first, saved)
	}
	for _, want := range []state.Checkpoint{
		{System: "1", Timeline: 1, Epoch: 1, Offsets: changefeed.Offsets{}},
		checkpoint(2, 1<<63+5),
		checkpoint(2, 1<<64-1),
	} {
		save(t, s, second, want)
		if second, saved = claim(t, s); cmp.Diff(&want, saved) != "" {
			t.Errorf("saved and read (-want +got):\n%s", cmp.Diff(&want, saved))
		}
	}
}

func TestSourcesDoNotFenceEachOther(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	number, _ := claim(t, s)
	for range 3 {
		if _, saved, err := s.Claim(t.Context(), "other"); err != nil || saved != nil {
			t.Fatal(saved, err)
		}
	}
	save(t, s, number, checkpoint(1, 100))
	if _, saved, err := s.Claim(t.Context(), "other"); err != nil || saved != nil {
		t.Errorf("another source's checkpoint: %+v, %v", saved, err)
	}
}

func TestAnEarlierClaimIsFenced(t *testing.T) {
	t.Parallel()
	s, pool := newStore(t)
	old, _ := claim(t, s)
	save(t, s, old, checkpoint(1, 100))
	current, _ := claim(t, s)
	if err := s.Save(t.Context(), "main", old, checkpoint(1, 200)); !errors.Is(err, state.ErrFenced) {
		t.Errorf("save with an earlier claim: %v, want %v", err, state.ErrFenced)
	}
	if err := s.Save(t.Context(), "main", current+1, checkpoint(1, 200)); !errors.Is(err, state.ErrFenced) {
		t.Errorf("save with a claim that was never given: %v, want %v", err, state.ErrFenced)
	}
	if at := query[string](t, pool, "SELECT lsn::text FROM changefeed.checkpoints"); at != "0/64" {
		t.Errorf("a fenced save moved the checkpoint to %s", at)
	}
	save(t, s, current, checkpoint(1, 300))
	execute(t, pool, "DELETE FROM changefeed.checkpoints")
	if err := s.Save(t.Context(), "main", current, checkpoint(1, 400)); !errors.Is(err, state.ErrFenced) {
		t.Errorf("save of a row that is gone: %v, want %v", err, state.ErrFenced)
	}
}

func TestACheckpointDoesNotGoBack(t *testing.T) {
	t.Parallel()
	s, pool := newStore(t)
	number, _ := claim(t, s)
	save(t, s, number, checkpoint(2, 200))
	save(t, s, number, checkpoint(2, 200)) // an answer was lost
	for _, c := range []state.Checkpoint{checkpoint(2, 199), checkpoint(1, 300)} {
		err := s.Save(t.Context(), "main", number, c)
		if err == nil || errors.Is(err, state.ErrFenced) || !strings.Contains(err.Error(), "would go back") {
			t.Errorf("save at epoch %d, %d: %v, want an error of its own", c.Epoch, c.LSN, err)
		}
	}
	if at := query[string](t, pool, "SELECT epoch || ' ' || lsn FROM changefeed.checkpoints"); at != "2 0/C8" {
		t.Errorf("the checkpoint is at %s, want 2 0/C8", at)
	}
	save(t, s, number, checkpoint(3, 0)) // a new epoch begins anywhere
}

// Publishers claim at the same time, all with the same start, and then all save:
// the one with the last claim can, and nobody else.
func TestOfConcurrentClaimsExactlyOneCanSave(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	const publishers = 12
	var claims, saves sync.WaitGroup
	numbers, errs := make([]int64, publishers), make([]error, publishers)
	for i := range publishers {
		claims.Go(func() { numbers[i], _, errs[i] = s.Claim(t.Context(), "main") })
	}
	claims.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range publishers {
		saves.Go(func() { errs[i] = s.Save(t.Context(), "main", numbers[i], checkpoint(1, uint64(i))) })
	}
	saves.Wait()
	saved := 0
	for i, err := range errs {
		switch {
		case err == nil:
			saved++
			if numbers[i] != publishers {
				t.Errorf("claim %d of %d has saved", numbers[i], publishers)
			}
		case !errors.Is(err, state.ErrFenced):
			t.Errorf("save: %v, want %v", err, state.ErrFenced)
		}
	}
	if saved != 1 {
		t.Errorf("%d publishers have saved, want 1", saved)
	}
}

func TestADamagedCheckpointIsRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	s, pool := newStore(t)
	number, _ := claim(t, s)
	save(t, s, number, checkpoint(1, 100))
	execute(t, pool, "UPDATE changefeed.checkpoints SET acknowledged = 'main/1/64/0'")
	_, _, err := s.Claim(t.Context(), "main")
	if !errors.Is(err, changefeed.ErrPosition) || !strings.Contains(err.Error(), "changefeed.checkpoints") {
		t.Errorf("error %v, want one that names the row", err)
	}
}
