package stack

import (
	"context"
	"errors"
	"fmt"

	"changefeed/cdc"
	"changefeed/internal/readback"
	"changefeed/state"
)

// checkpoints gives publishers the checkpoints that the state keeps.
type checkpoints struct{ store *state.Store }

var _ cdc.Checkpoints = checkpoints{}

// Claim implements cdc.Checkpoints.
func (c checkpoints) Claim(ctx context.Context, source string) (int64, *cdc.Checkpoint, error) {
	claim, saved, err := c.store.Claim(ctx, source)
	return claim, (*cdc.Checkpoint)(saved), err
}

// Save implements cdc.Checkpoints.
func (c checkpoints) Save(ctx context.Context, source string, claim int64, cp cdc.Checkpoint) error {
	err := c.store.Save(ctx, source, claim, state.Checkpoint(cp))
	if errors.Is(err, state.ErrFenced) {
		return fmt.Errorf("%w: %w", cdc.ErrFenced, err)
	}
	return err
}

// NextEpoch implements cdc.Checkpoints.
func (c checkpoints) NextEpoch(ctx context.Context, above uint32) (uint32, error) {
	return c.store.NextEpoch(ctx, above)
}

// resume fills in what publishers begin anew with.
func (s *Stack) resume(deps *cdc.Deps) error {
	store, err := s.State()
	if err != nil {
		return err
	}
	tails, err := readback.New(readback.Config{Open: s.Client, Log: s.Log})
	if err != nil {
		return err
	}
	deps.Checkpoints, deps.Tails = checkpoints{store}, tails
	return nil
}
