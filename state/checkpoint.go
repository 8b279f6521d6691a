package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"changefeed"
)

// Checkpoint is how far a source has been published, as its publisher saved it.
// The publisher's package says what the fields mean.
type Checkpoint struct {
	System       string
	Timeline     int32
	Epoch        uint32
	LSN          uint64
	Acknowledged changefeed.Position
	Offsets      changefeed.Offsets
	Layout       string
	Closed       bool
}

// ErrFenced is wrapped by errors of Save after another claim of the source.
var ErrFenced = errors.New("another publisher has claimed the source")

// Claim takes a source over: earlier claims cannot save any more. It returns the
// claim, and what was saved last, nil where nothing was.
func (s *Store) Claim(ctx context.Context, source string) (claim int64, saved *Checkpoint, err error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	const query = `
INSERT INTO changefeed.checkpoints AS c (source, claim, claimed_at) VALUES ($1, 1, clock_timestamp())
ON CONFLICT (source) DO UPDATE SET claim = c.claim + 1, claimed_at = clock_timestamp()
RETURNING claim, saved_at IS NOT NULL, coalesce(system, ''), coalesce(timeline, 0), coalesce(epoch, 0),
	coalesce(lsn, '0/0')::text, coalesce(acknowledged, ''), coalesce(offsets, '{}'), coalesce(layout, ''), coalesce(closed, false)`
	var found bool
	var lsn, acknowledged string
	var c Checkpoint
	err = s.pool.QueryRow(ctx, query, source).Scan(&claim, &found, &c.System, &c.Timeline, &c.Epoch,
		&lsn, &acknowledged, &c.Offsets, &c.Layout, &c.Closed)
	if err != nil {
		return 0, nil, fmt.Errorf("claim source %s: %w", source, explain(ctx, err))
	}
	if !found {
		return claim, nil, nil
	}
	if err := c.place(lsn, acknowledged); err != nil {
		return 0, nil, fmt.Errorf("claim source %s: %w: stop its publishers, correct its row in changefeed.checkpoints or delete it, and start them", source, err)
	}
	return claim, &c, nil
}

// place sets the positions from their texts.
func (c *Checkpoint) place(lsn, acknowledged string) error {
	at, err := pglogrepl.ParseLSN(lsn)
	if err != nil {
		return fmt.Errorf("read saved log position: %w", err)
	}
	c.LSN = uint64(at)
	if acknowledged == "" {
		return nil
	}
	if c.Acknowledged, err = changefeed.ParsePosition(acknowledged); err != nil {
		return fmt.Errorf("read saved position: %w", err)
	}
	return nil
}

// Save replaces the checkpoint of a source. It fails with ErrFenced where the
// claim is not the last one, and where the checkpoint would go back.
func (s *Store) Save(ctx context.Context, source string, claim int64, c Checkpoint) error {
	ctx, cancel := limit(ctx)
	defer cancel()
	const statement = `
UPDATE changefeed.checkpoints SET system = $3, timeline = $4, epoch = $5, lsn = $6::text::pg_lsn,
	acknowledged = $7, offsets = $8, layout = $9, closed = $10, saved_at = clock_timestamp()
WHERE source = $1 AND claim = $2 AND (saved_at IS NULL OR (epoch, lsn) <= ($5, $6::text::pg_lsn))`
	if c.Offsets == nil {
		c.Offsets = changefeed.Offsets{} // an object, not null
	}
	tag, err := s.pool.Exec(ctx, statement, source, claim, c.System, c.Timeline, c.Epoch, pglogrepl.LSN(c.LSN).String(),
		textOf(c.Acknowledged), c.Offsets, c.Layout, c.Closed)
	if err == nil && tag.RowsAffected() == 0 {
		err = s.refusal(ctx, source, claim, &c)
	}
	if err != nil {
		return fmt.Errorf("save checkpoint of source %s: %w", source, explain(ctx, err))
	}
	return nil
}

// refusal says why a checkpoint was not saved.
func (s *Store) refusal(ctx context.Context, source string, claim int64, c *Checkpoint) error {
	const query = `SELECT claim, coalesce(epoch, 0), coalesce(lsn, '0/0')::text FROM changefeed.checkpoints WHERE source = $1`
	var last int64
	var epoch uint32
	var lsn string
	err := s.pool.QueryRow(ctx, query, source).Scan(&last, &epoch, &lsn)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: its row has been deleted", ErrFenced)
	case err != nil:
		return err
	case last != claim:
		return fmt.Errorf("%w: claim %d, this is %d", ErrFenced, last, claim)
	default:
		return fmt.Errorf("it is at epoch %d, log position %s, and would go back to epoch %d, %s",
			epoch, lsn, c.Epoch, pglogrepl.LSN(c.LSN))
	}
}
