package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/docstore"
)

// Config says which rows are documents and where to read them.
type Config struct {
	// Source is the name of the database in positions and horizons.
	Source string
	// Schema and Table name the table, or a view, as in the catalogue.
	Schema, Table string
	// ID are the columns that make the document id, in order, as in the
	// catalogue. Together they identify a row.
	ID []string
	// Type and Domain of the documents.
	Type, Domain Field
	// Primary is the pool for the database itself. Replica, where set, is one for
	// a physical standby of it, which is read where it has replayed enough. It
	// must follow the primary: one that a failover left behind on a timeline of
	// its own is not noticed. Both pools are made from ConnConfig.
	Primary, Replica *pgxpool.Pool
	// Epoch is what is known of the source's current epoch. A horizon of a newer one
	// raises it. Default: one that knows nothing.
	Epoch *Epoch
	// VisibilityWait is how long to look again for a horizon that is not visible.
	// Default: docstore.DefaultVisibilityWait.
	VisibilityWait time.Duration
	// OnWait, where set, is called by a read that is about to wait for its
	// horizon, from the reader's goroutine; it must not block.
	OnWait func()
	// Log is required.
	Log *slog.Logger
}

// Field is a field of every document: a constant, or the text of a column. The
// zero Field is null.
type Field struct {
	Constant changefeed.Text
	Column   string
}

func (f Field) valid() bool { return f.Column == "" || !f.Constant.Valid }

func (c Config) withDefaults() Config {
	if c.VisibilityWait == 0 {
		c.VisibilityWait = docstore.DefaultVisibilityWait
	}
	if c.Epoch == nil {
		c.Epoch = NewEpoch(nil)
	}
	return c
}

// Validate reports every fault that shows without the database.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("document store %s.%s: "+format, append([]any{c.Schema, c.Table}, args...)...))
	}
	if c.Source == "" {
		fault("no source")
	}
	if c.Schema == "" || c.Table == "" {
		fault("schema and table must both be named")
	}
	if len(c.ID) == 0 {
		fault("no id columns: name the columns that identify a row")
	}
	for i, column := range c.ID {
		if column == "" || slices.Contains(c.ID[:i], column) {
			fault("id column %q: it is empty or named twice", column)
		}
	}
	if !c.Type.valid() || !c.Domain.valid() {
		fault("type and domain are each a constant or a column, not both")
	}
	if c.VisibilityWait < 0 {
		fault("visibility wait %s: it is negative", c.VisibilityWait)
	}
	if c.Log == nil {
		fault("no logger")
	}
	if c.Primary == nil {
		fault("no pool for the primary")
	} else if err := validatePool("primary", c.Primary); err != nil {
		fault("%w", err)
	}
	if c.Replica != nil {
		if err := validatePool("replica", c.Replica); err != nil {
			fault("%w", err)
		}
	}
	return errors.Join(faults...)
}
