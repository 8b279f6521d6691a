package stack

import (
	"context"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/backfill"
)

// BackfillOptions are what a person chooses about a backfill.
type BackfillOptions struct {
	Table string   // as in SQL
	Rate  int      // rows a second; 0: the default
	After []string // the id's parts after which to begin; nil: at the first
}

// Backfill publishes a change for every row of a table of source i. A
// publisher of the source has to run, now or later: it sends what this writes.
func (s *Stack) Backfill(ctx context.Context, i int, o BackfillOptions, report func(backfill.Progress)) (done backfill.Progress, err error) {
	name, err := cdc.ParseTableName(o.Table)
	if err != nil {
		return done, err
	}
	err = s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) error {
		b, err := backfill.New(backfill.Config{Source: cfg, Table: name, Rate: o.Rate, After: o.After}, report, s.Log)
		if err != nil {
			return err
		}
		done, err = b.Run(ctx, conn)
		return err
	})
	return done, err
}
