package cdctest

import (
	"context"
	"sync"

	"changefeed/cdc"
)

// Checkpoints keeps checkpoints in memory, as a state database does from one
// publisher to the next.
type Checkpoints struct {
	mu      sync.Mutex
	claims  map[string]int64
	saved   map[string]cdc.Checkpoint
	history []cdc.Checkpoint
	epoch   uint32
	err     error
}

var _ cdc.Checkpoints = (*Checkpoints)(nil)

// NewCheckpoints returns an empty store, whose first epoch is 1.
func NewCheckpoints() *Checkpoints {
	return &Checkpoints{claims: make(map[string]int64), saved: make(map[string]cdc.Checkpoint)}
}

// Fail makes every call fail with err from now on, or succeed again where it is
// nil.
func (c *Checkpoints) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Saved returns the checkpoint of a source, the zero one where there is none.
func (c *Checkpoints) Saved(source string) cdc.Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved[source]
}

// History returns every checkpoint that was saved, in order.
func (c *Checkpoints) History() []cdc.Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]cdc.Checkpoint(nil), c.history...)
}

// Set replaces the checkpoint of a source, as the restore of a backup does; nil
// removes it. Claims stay.
func (c *Checkpoints) Set(source string, saved *cdc.Checkpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if saved == nil {
		delete(c.saved, source)
		return
	}
	c.saved[source] = *saved
}

// Claim implements [cdc.Checkpoints].
func (c *Checkpoints) Claim(ctx context.Context, source string) (int64, *cdc.Checkpoint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(ctx); err != nil {
		return 0, nil, err
	}
	c.claims[source]++
	saved, ok := c.saved[source]
	if !ok {
		return c.claims[source], nil, nil
	}
	saved.Offsets = saved.Offsets.Clone()
	return c.claims[source], &saved, nil
}

// Save implements [cdc.Checkpoints].
func (c *Checkpoints) Save(ctx context.Context, source string, claim int64, saved cdc.Checkpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(ctx); err != nil {
		return err
	}
	if claim != c.claims[source] {
		return cdc.ErrFenced
	}
	saved.Offsets = saved.Offsets.Clone()
	c.saved[source] = saved
	c.history = append(c.history, saved)
	return nil
}

// NextEpoch implements [cdc.Checkpoints].
func (c *Checkpoints) NextEpoch(ctx context.Context, above uint32) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(ctx); err != nil {
		return 0, err
	}
	c.epoch = max(c.epoch, above) + 1
	return c.epoch, nil
}

func (c *Checkpoints) failure(ctx context.Context) error {
	if c.err != nil {
		return c.err
	}
	return ctx.Err()
}
