package stack

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cmd/config"
	"changefeed/internal/localpg/localpgtest"
)

func newStack(t *testing.T) *Stack {
	t.Helper()
	s := New(&config.Config{
		State:    config.State{DSN: localpgtest.Database(t)},
		Postgres: []config.Postgres{{Name: "main"}, {Name: "other"}},
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	return s
}

func TestPublishersSaveTheirCheckpointsInTheState(t *testing.T) {
	s := newStack(t)
	if err := s.initState(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	c := checkpoints{store}
	first, saved, err := c.Claim(t.Context(), "main")
	if err != nil || saved != nil {
		t.Fatalf("first claim: %+v, %v", saved, err)
	}
	epoch, err := c.NextEpoch(t.Context(), 6)
	if err != nil || epoch != 7 {
		t.Fatalf("epoch %d, %v, want 7", epoch, err)
	}
	want := cdc.Checkpoint{
		System: "1", Timeline: 2, Epoch: epoch, LSN: 3, Layout: "routes", Closed: true,
		Acknowledged: changefeed.Position{Source: "main", Epoch: epoch, LSN: 3, Ordinal: 4},
		Offsets:      changefeed.Offsets{"orders": {5, 6}},
	}
	if err := c.Save(t.Context(), "main", first, want); err != nil {
		t.Fatal(err)
	}
	_, saved, err = c.Claim(t.Context(), "main")
	if diff := cmp.Diff(&want, saved); err != nil || diff != "" {
		t.Errorf("second claim: %v (-want +got):\n%s", err, diff)
	}
	if err := c.Save(t.Context(), "main", first, want); !errors.Is(err, cdc.ErrFenced) {
		t.Errorf("save with the first claim: %v, want %v", err, cdc.ErrFenced)
	}
	s.learnEpochs(t.Context())
	if main, other := s.epochs["main"].Known(), s.epochs["other"].Known(); main != epoch || other != 0 {
		t.Errorf("known epochs %d and %d, want %d and 0", main, other, epoch)
	}
}

func TestWithoutAStateNothingIsKnownOfEpochs(t *testing.T) {
	s := newStack(t)
	s.learnEpochs(t.Context())
	if known := s.epochs["main"].Known(); known != 0 {
		t.Errorf("epoch %d, want 0", known)
	}
	if err := s.epochs["main"].Learn(t.Context()); err == nil {
		t.Error("an epoch was read from tables that do not exist")
	}
}
