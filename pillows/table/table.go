package table

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/pillows"
)

var _ pillows.Processor = (*Processor)(nil)

// Deps are what a processor works with.
type Deps struct {
	// Pool connects to the database of the report table. Each call of Process
	// holds one of its connections at a time.
	Pool *pgxpool.Pool
	// Log is required.
	Log *slog.Logger
}

// Processor keeps one report table. See the package documentation.
type Processor struct {
	config  Config
	columns []column
	key     int // the primary key's index in columns
	report  string
	paths   *node
	sql     statements
	pool    *pgxpool.Pool
	log     *slog.Logger

	// ready says that the tables were found as they must be, and nothing since
	// says otherwise.
	ready atomic.Bool
	// preparing is held by the call that prepares the tables.
	preparing chan struct{}
}

// column is a column of the configuration and its type.
type column struct {
	Column
	kind columnType
}

// New returns the processor of a report table. It does no I/O.
func New(cfg Config, deps Deps) (*Processor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Pool == nil || deps.Log == nil {
		return nil, fmt.Errorf("report table %q: Deps without Pool or Log", cfg.Name)
	}
	cfg = cfg.WithDefaults()
	p := &Processor{
		config: cfg, report: reportName(cfg), pool: deps.Pool,
		log:       deps.Log.With("report", reportName(cfg)),
		preparing: make(chan struct{}, 1),
	}
	paths := make([]string, len(cfg.Columns))
	for i, c := range cfg.Columns {
		kind, err := parseType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		p.columns = append(p.columns, column{Column: c, kind: kind})
		if c.PrimaryKey {
			p.key = i
		}
		if c.Path != idPath {
			paths[i] = c.Path
		}
	}
	p.paths = newPaths(paths)
	p.sql = newStatements(cfg, p.columns)
	return p, nil
}

// Name returns table:NAME, with the schema before the name unless it is public.
func (p *Processor) Name() string {
	if p.config.Schema == DefaultSchema {
		return "table:" + p.config.Name
	}
	return "table:" + p.config.Schema + "." + p.config.Name
}

// Process implements [pillows.Processor]. The first call prepares the tables.
func (p *Processor) Process(ctx context.Context, b *pillows.Batch) error {
	if err := p.ensure(ctx); err != nil {
		return err
	}
	rows, failed := p.rows(b)
	for chunk := range chunks(rows) {
		refused, err := p.write(ctx, b, chunk)
		if err != nil {
			return p.explain(ctx, err)
		}
		failed = append(failed, refused...)
	}
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b pillows.ItemError) int { return a.Index - b.Index })
	return &pillows.BatchError{Failed: failed}
}

// ensure prepares the tables unless they are known to be as they must.
func (p *Processor) ensure(ctx context.Context) error {
	if p.ready.Load() {
		return nil
	}
	return p.Prepare(ctx)
}

// explain adds to an error of the table as a whole what is known about it. Where
// the server does not know, or does not allow, what a statement names, the tables
// are looked at again, and what is wrong with them is the better error.
func (p *Processor) explain(ctx context.Context, err error) error {
	err = fmt.Errorf("write report table %s: %w", p.report, err)
	switch {
	case hasClass(err, "25006"): // read_only_sql_transaction
		return fmt.Errorf("%w (a stand-by, or a database that is set to read only: set dsn to the primary)", err)
	case hasClass(err, "53100"): // disk_full
		return fmt.Errorf("%w (make room on the server's disk: nothing is lost, and the writing goes on by itself)", err)
	case !hasClass(err, "42", "3F"):
		return err
	}
	p.ready.Store(false)
	if unfit := p.Prepare(ctx); errors.Is(unfit, ErrPreflight) {
		return unfit
	}
	return err
}
