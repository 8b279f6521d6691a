package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"changefeed"
)

// NextEpoch returns an epoch that no source has had, and that is above the one
// given. The first is 1. It is used up whatever becomes of it.
func (s *Store) NextEpoch(ctx context.Context, above uint32) (uint32, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	const statement = `UPDATE changefeed.epochs SET last = greatest(last, $1) + 1 WHERE greatest(last, $1) < $2 RETURNING last`
	var epoch uint32
	err := s.pool.QueryRow(ctx, statement, int64(above), int64(changefeed.MaxEpoch)).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("there is none above %d: versions have no room for more than %d", above, changefeed.MaxEpoch)
	}
	if err != nil {
		return 0, fmt.Errorf("take the next epoch: %w", explain(ctx, err))
	}
	return epoch, nil
}

// Epochs returns the epoch of each source that has a checkpoint.
func (s *Store) Epochs(ctx context.Context) (map[string]uint32, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	epochs := make(map[string]uint32)
	rows, _ := s.pool.Query(ctx, `SELECT source, epoch FROM changefeed.checkpoints WHERE saved_at IS NOT NULL`)
	var source string
	var epoch uint32
	_, err := pgx.ForEachRow(rows, []any{&source, &epoch}, func() error {
		epochs[source] = epoch
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read epochs: %w", explain(ctx, err))
	}
	return epochs, nil
}
