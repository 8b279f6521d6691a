package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// Gap is a range of a source's log that could not be published.
type Gap struct {
	Source string
	// From and To are log positions: commits before From were published, those
	// from To on are.
	From, To uint64
	Reason   string
	// At is when it was found, kept in microseconds. Zero: when it is recorded.
	At time.Time
}

// RecordGap records a gap. The same gap with the same At is recorded once.
func (s *Store) RecordGap(ctx context.Context, g Gap) error {
	ctx, cancel := limit(ctx)
	defer cancel()
	const statement = `
INSERT INTO changefeed.gaps (source, from_lsn, to_lsn, reason, at)
VALUES ($1, $2::text::pg_lsn, $3::text::pg_lsn, $4, coalesce($5, clock_timestamp()))
ON CONFLICT (source, from_lsn, to_lsn, at) DO NOTHING`
	if g.Source == "" || g.From > g.To {
		return errors.New("record gap: it has no source, or ends before it begins")
	}
	var at *time.Time
	if !g.At.IsZero() {
		at = &g.At
	}
	_, err := s.pool.Exec(ctx, statement, g.Source, pglogrepl.LSN(g.From).String(), pglogrepl.LSN(g.To).String(), g.Reason, at)
	if err != nil {
		return fmt.Errorf("record gap of source %s: %w", g.Source, explain(ctx, err))
	}
	return nil
}

// maxGaps bounds what Gaps returns.
const maxGaps = 1000

// Gaps returns the gaps of all sources, the last recorded first, at most 1000.
func (s *Store) Gaps(ctx context.Context) ([]Gap, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	const query = `SELECT source, from_lsn::text, to_lsn::text, reason, at FROM changefeed.gaps ORDER BY id DESC LIMIT $1`
	rows, _ := s.pool.Query(ctx, query, maxGaps)
	gaps, err := pgx.CollectRows(rows, scanGap)
	if err != nil {
		return nil, fmt.Errorf("read gaps: %w", explain(ctx, err))
	}
	return gaps, nil
}

func scanGap(row pgx.CollectableRow) (g Gap, err error) {
	var from, to string
	if err := row.Scan(&g.Source, &from, &to, &g.Reason, &g.At); err != nil {
		return g, err
	}
	start, errStart := pglogrepl.ParseLSN(from)
	end, errEnd := pglogrepl.ParseLSN(to)
	g.From, g.To = uint64(start), uint64(end)
	return g, errors.Join(errStart, errEnd)
}
