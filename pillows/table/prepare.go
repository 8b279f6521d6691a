package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrPreflight is wrapped by the errors of [Processor.Prepare], and of
// [Processor.Process] where it prepares, that say that the tables or the rights
// on them are not as they must be. Another try gives the same until somebody does
// what the error says. It is said of the tables as a whole, never in a
// BatchError.
var ErrPreflight = errors.New("the database is not ready for the report table")

// ddlLock is the advisory lock under which the tables are made, the same for all
// report tables of a database because they share the guard: the bytes of
// "chgfeedT".
const ddlLock int64 = 0x6368676665656454

// Prepare makes the tables that are missing and checks those that are there. It
// is safe to call from many processes at once. Errors wrap [ErrPreflight] where a
// person has to act, and hold everything that is wrong.
func (p *Processor) Prepare(ctx context.Context) error {
	select {
	case p.preparing <- struct{}{}:
		defer func() { <-p.preparing }()
	case <-ctx.Done():
		return fmt.Errorf("prepare report table %s: %w", p.report, ctx.Err())
	}
	if p.ready.Load() {
		return nil
	}
	err := p.prepare(ctx)
	for attempt := 1; attempt < maxAttempts && madeMeanwhile(err); attempt++ {
		err = p.prepare(ctx)
	}
	if err != nil {
		return fmt.Errorf("prepare report table %s: %w", p.report, err)
	}
	p.ready.Store(true)
	return nil
}

// errRollback ends a transaction of Check.
var errRollback = errors.New("nothing is to be kept")

// Check tells what Prepare would, and keeps nothing of what it made to find out.
func (p *Processor) Check(ctx context.Context) error {
	err := p.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := p.prepareIn(ctx, tx); err != nil {
			return err
		}
		return errRollback
	})
	if errors.Is(err, errRollback) {
		return nil
	}
	return fmt.Errorf("check report table %s: %w", p.report, err)
}

// madeMeanwhile reports whether somebody who does not know our lock made the same
// schema or table at the same time.
func madeMeanwhile(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "23505", "42P06", "42P07": // unique_violation in the catalogue, duplicate_schema, duplicate_table
		return true
	}
	return false
}

func (p *Processor) prepare(ctx context.Context) error {
	var made creation
	err := p.inTransaction(ctx, func(tx pgx.Tx) (err error) {
		made, err = p.prepareIn(ctx, tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case made.forgotten > 0:
		p.log.WarnContext(ctx, "report table created again: the one before is gone, and documents that do not change any more will be missing; "+
			"an UPDATE in the source that leaves a row as it is counts as a change", "documents_before", made.forgotten)
	case made.table:
		p.log.InfoContext(ctx, "report table created: it holds the documents whose changes are read from now on")
	}
	return nil
}

func (p *Processor) inTransaction(ctx context.Context, work func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, work)
}

// creation says what was made.
type creation struct {
	table     bool
	forgotten int64 // documents of an earlier table of that name
}

// prepareIn makes what is missing and checks the rest, in a transaction.
func (p *Processor) prepareIn(ctx context.Context, tx pgx.Tx) (made creation, err error) {
	found, err := p.inspect(ctx, tx)
	if err != nil {
		return made, err
	}
	if found.complete() {
		return made, found.faults()
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", ddlLock); err != nil {
		return made, fmt.Errorf("lock report tables: %w", err)
	}
	if found, err = p.inspect(ctx, tx); err != nil {
		return made, err
	}
	made.table = !found.report.exists
	if made.forgotten, err = p.create(ctx, tx, found); err != nil {
		return made, err
	}
	if found, err = p.inspect(ctx, tx); err != nil {
		return made, err
	}
	return made, found.faults()
}

// create makes what is missing, in a transaction that holds the lock, and returns
// how many documents of an earlier report the guard has forgotten.
func (p *Processor) create(ctx context.Context, tx pgx.Tx, found *findings) (forgotten int64, err error) {
	if err := preflight(found.accessFaults()); err != nil {
		return 0, err
	}
	if !found.guard.schemaExists {
		if err := p.execute(ctx, tx, found, found.guard.createSchema()); err != nil {
			return 0, err
		}
	}
	if !found.guard.exists {
		if err := p.execute(ctx, tx, found, found.guard.createTable()); err != nil {
			return 0, err
		}
	}
	if found.report.exists {
		return 0, nil
	}
	if !found.report.schemaExists {
		return 0, fmt.Errorf("%w: there is no schema %s; make it: %s", ErrPreflight, quoted(found.report.schema), found.report.createSchema())
	}
	if err := p.execute(ctx, tx, found, found.report.createTable()); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, found.emptyGuard())
	if err != nil {
		return 0, fmt.Errorf("empty guard: %w", err)
	}
	return tag.RowsAffected(), nil
}

// execute runs DDL. Where the role may not, the error tells both ways out: the
// right to grant, and the statement for somebody who has it.
func (p *Processor) execute(ctx context.Context, tx pgx.Tx, found *findings, ddl string) error {
	_, err := tx.Exec(ctx, ddl)
	const insufficientPrivilege = "42501"
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && e.Code == insufficientPrivilege:
		return fmt.Errorf("%w: role %s may not create it (%s): let an owner run: %s; or allow it: %s",
			ErrPreflight, quoted(found.role), e.Message, found.ddlScript(), found.grantCreate())
	default:
		return fmt.Errorf("run %s: %w", ddl, err)
	}
}
