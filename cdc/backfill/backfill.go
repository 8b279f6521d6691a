package backfill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
)

// The defaults and bounds of Config.
const (
	DefaultRate    = 5000
	DefaultMaxLag  = 256 << 20
	batchRows      = 1000
	waitInterval   = 200 * time.Millisecond
	waitSaidAgain  = 10 * time.Second
	maxRowsASecond = 1_000_000
)

// Config says what to publish.
type Config struct {
	// Source is the configuration of the publisher, complete with defaults.
	Source cdc.Config
	// Table is the routed table, not a satellite.
	Table cdc.TableName
	// Rate is the most rows a second. Default: 5,000.
	Rate int
	// MaxLag is how many bytes of log the slot may be behind before the backfill
	// waits for the publisher. Default: 256 MiB.
	MaxLag int64
	// After holds the texts of the id's columns after which to begin. Nil: at
	// the first.
	After []string
}

// WithDefaults returns a copy with every zero field set to its default.
func (c Config) WithDefaults() Config {
	c.Source = c.Source.WithDefaults()
	c.Rate = cmp.Or(c.Rate, DefaultRate)
	c.MaxLag = cmp.Or(c.MaxLag, DefaultMaxLag)
	return c
}

// Validate reports every fault that shows without the database.
func (c *Config) Validate() error {
	route := c.Source.Table(c.Table)
	switch {
	case route == nil:
		return fmt.Errorf("table %s has no route: name one of tables", c.Table.SQL())
	case route.Satellite():
		return fmt.Errorf("table %s belongs to the documents of %s: backfill %s", c.Table.SQL(), route.Parent.SQL(), route.Parent.SQL())
	}
	var faults []error
	if c.Rate < 1 || c.Rate > maxRowsASecond {
		faults = append(faults, fmt.Errorf("rate is %d: want 1 to %d rows a second", c.Rate, maxRowsASecond))
	}
	if c.MaxLag < 1 {
		faults = append(faults, fmt.Errorf("lag is %d bytes: want 1 or more", c.MaxLag))
	}
	if c.After != nil && len(c.After) != len(route.DocumentID) {
		faults = append(faults, fmt.Errorf("after has %d parts: the document id has %d columns", len(c.After), len(route.DocumentID)))
	}
	return errors.Join(faults...)
}

// Progress is how far a backfill has come.
type Progress struct {
	Rows     int64    // published
	Estimate int64    // of the table, by the server's statistics; 0: not known
	After    []string // the id's parts of the last row published
	Elapsed  time.Duration
}

// Backfill publishes the rows of one table.
type Backfill struct {
	cfg    Config
	route  *cdc.Table
	report func(Progress)
	log    *slog.Logger

	parts    []uint32 // the tables that hold the rows
	batchSQL string
	done     Progress
	started  time.Time
}

// New returns a backfill. Report is called after each batch; it may be nil.
func New(cfg Config, report func(Progress), log *slog.Logger) (*Backfill, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if report == nil {
		report = func(Progress) {}
	}
	return &Backfill{cfg: cfg, route: cfg.Source.Table(cfg.Table), report: report, log: log.With("table", cfg.Table.SQL())}, nil
}

// Run publishes until there are no more rows, on an ordinary connection to the
// source's database that is used for nothing else. The role may call
// changefeed.publish. What has been published is told also with an error.
func (b *Backfill) Run(ctx context.Context, conn *pgx.Conn) (Progress, error) {
	b.started = time.Now()
	b.done = Progress{After: b.cfg.After}
	err := b.run(ctx, conn)
	b.done.Elapsed = time.Since(b.started)
	if err != nil {
		return b.done, fmt.Errorf("backfill %s: %w", b.cfg.Table.SQL(), err)
	}
	return b.done, nil
}

func (b *Backfill) run(ctx context.Context, conn *pgx.Conn) error {
	for name, value := range changefeed.TextSettings() {
		if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config($1, $2, false)", name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	if err := b.prepare(ctx, conn); err != nil {
		return err
	}
	if err := b.awaitWatermark(ctx, conn); err != nil {
		return err
	}
	began := time.Now()
	for {
		if err := b.awaitPublisher(ctx, conn); err != nil {
			return err
		}
		rows, err := b.batch(ctx, conn)
		if err != nil {
			return err
		}
		b.done.Elapsed = time.Since(b.started)
		b.report(b.done)
		if rows < batchRows {
			return nil
		}
		due := began.Add(time.Duration(float64(b.done.Rows) / float64(b.cfg.Rate) * float64(time.Second)))
		if err := pause(ctx, time.Until(due)); err != nil {
			return err
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
