package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore"
)

// The pauses between two looks at the primary.
const (
	minPause = time.Millisecond
	maxPause = 50 * time.Millisecond
)

// readRows reads the rows of the ids from lo to hi. Where an id or a document
// that does not convert fails the statement, it reads both halves by themselves,
// down to the one that is to blame.
func (s *RowStore) readRows(ctx context.Context, marks *docstore.Marks, statement string, b *batch, lo, hi int) error {
	b.forget(lo, hi)
	err := s.readVisible(ctx, marks, request{statement, b, lo, hi})
	switch {
	case err == nil || !concernsData(err):
		return err
	case hi-lo == 1:
		b.errs[b.ids[lo]] = err
		return nil
	}
	middle := lo + (hi-lo)/2
	if err := s.readRows(ctx, marks, statement, b, lo, middle); err != nil {
		return err
	}
	return s.readRows(ctx, marks, statement, b, middle, hi)
}

// request is one statement and the ids to run it for.
type request struct {
	statement string
	batch     *batch
	lo, hi    int // in batch.ids
}

// readVisible reads rows in a snapshot that has all of marks: from the replica if
// that has it now, else from the primary as soon as that has it. Without a
// position nobody knows what the replica would have to have replayed.
func (s *RowStore) readVisible(ctx context.Context, marks *docstore.Marks, r request) error {
	if s.replica != nil && marks != nil && marks.LSN > 0 {
		done, err := s.readReplica(ctx, marks, r)
		if done || err != nil {
			return err
		}
	}
	var enough <-chan time.Time
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		marks = s.current(marks) // another read may have met a newer epoch
		missing, err := look(ctx, s.cfg.Primary, marks, r)
		if err != nil || missing == "" {
			return err
		}
		if enough == nil {
			timer := time.NewTimer(s.cfg.VisibilityWait)
			defer timer.Stop()
			enough = timer.C
			if s.cfg.OnWait != nil {
				s.cfg.OnWait()
			}
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-enough:
			again.Stop()
			if err := s.notVisible(ctx, marks, missing); err != nil {
				return err
			}
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}

// notVisible returns the error about a horizon that has not become visible, or
// nil where its epoch turns out to be over.
func (s *RowStore) notVisible(ctx context.Context, marks *docstore.Marks, missing string) error {
	err := s.cfg.Epoch.Learn(ctx)
	if s.current(marks) == nil {
		return nil
	}
	if err != nil {
		missing += fmt.Sprintf(" (nor can it be told whether epoch %d of the source is over: %v)", marks.Epoch, err)
	}
	return fmt.Errorf("source %s: %s, after %s: %w", s.cfg.Source, missing, s.cfg.VisibilityWait, docstore.ErrNotVisible)
}

// look asks one server once. It returns what of marks the server does not show
// yet; only where that is nothing has it read the rows.
func look(ctx context.Context, pool *pgxpool.Pool, marks *docstore.Marks, r request) (missing string, err error) {
	var both pgx.Batch
	if marks != nil {
		both.Queue(visibleSQL, formatXIDs(marks.XIDs), formatLSN(marks.LSN))
	}
	both.Queue(r.statement, r.batch.arguments(r.lo, r.hi)...)
	answers := pool.SendBatch(ctx, &both)
	if marks != nil {
		missing, err = scanMissing(answers.QueryRow(), marks)
	}
	if err == nil && missing == "" {
		err = r.take(answers)
	}
	// Where something is missing, what the second statement says, be it an
	// error, does not matter.
	if closeErr := answers.Close(); err == nil && missing == "" {
		err = closeErr
	}
	return missing, err
}

// take keeps the rows of the next answer.
func (r request) take(answers pgx.BatchResults) error {
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := r.batch.take(rows.RawValues(), r.lo, r.hi); err != nil {
			return err
		}
	}
	return rows.Err()
}
