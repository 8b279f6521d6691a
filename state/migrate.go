package state

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/sql"
)

// Beginner is a connection or a pool.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// migrateLock is the advisory lock under which migrations are run, the same for
// all sets because they share the schema: the bytes of "chgfeedM".
const migrateLock int64 = 0x636867666565644d

// migrateTimeout bounds Migrate, and what it waits for another process.
const migrateTimeout = time.Minute

// maxAttempts bounds how often a migration is begun anew because somebody who
// does not know the lock has made the schema meanwhile.
const maxAttempts = 3

// Migrate runs the migrations of a set that have not been run, each in a
// transaction, and returns them. It is safe to call from many processes at once.
// Where a person has to act its error is a *SchemaError, and what it returns has
// been done all the same.
func Migrate(ctx context.Context, db Beginner, set sql.Set) ([]sql.Migration, error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	var done []sql.Migration
	for attempt := 1; ; {
		m, err := migrateNext(ctx, db, set)
		switch {
		case err != nil && madeMeanwhile(err) && attempt < maxAttempts:
			attempt++
		case err != nil:
			return done, fmt.Errorf("migrate: %w", err)
		case m == nil:
			return done, nil
		default:
			done = append(done, *m)
		}
	}
}

// migrateNext runs the first migration that has not been run, and returns nil
// where there is none.
func migrateNext(ctx context.Context, db Beginner, set sql.Set) (next *sql.Migration, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		f, err := inspect(ctx, tx, set)
		if err != nil {
			return err
		}
		pending, err := f.pending(set)
		if err != nil || len(pending) == 0 {
			return err
		}
		if f.recovering {
			return f.standby()
		}
		if err := lock(ctx, tx); err != nil {
			return err
		}
		if f, err = inspect(ctx, tx, set); err != nil { // another process may have been faster
			return err
		}
		if pending, err = f.pending(set); err != nil || len(pending) == 0 {
			return err
		}
		next = &pending[0]
		return f.run(ctx, tx, set, next)
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

func lock(ctx context.Context, tx pgx.Tx) error {
	limits := fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %[1]d", (migrateTimeout / 2).Milliseconds())
	if _, err := tx.Exec(ctx, limits); err != nil {
		return fmt.Errorf("limit statements: %w", err)
	}
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrateLock)
	if sqlState(err) == codeLockNotAvailable {
		return fmt.Errorf("wait for another process that is migrating: %w: see SELECT * FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'", err)
	}
	if err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	return nil
}

func (f *inspection) run(ctx context.Context, tx pgx.Tx, set sql.Set, m *sql.Migration) error {
	for _, statements := range Script(set, *m) {
		_, err := tx.Exec(ctx, statements)
		switch code := sqlState(err); {
		case code == codeInsufficientPrivilege:
			return f.unprivileged(err)
		case code == codeDuplicateTable || code == codeDuplicateFunction:
			return fmt.Errorf("migration %04d_%s: %w: it has been made, but is not recorded in %s.%s: restore that table from a backup, "+
				"or drop the objects of the set, which sql/README.md names", m.Number, m.Name, err, sql.Schema, set.Table)
		case err != nil:
			return fmt.Errorf("migration %04d_%s: %w", m.Number, m.Name, err)
		}
	}
	return nil
}

// unprivileged says who can run migrations.
func (f *inspection) unprivileged(err error) error {
	role, database := pgx.Identifier{f.role}.Sanitize(), pgx.Identifier{f.database}.Sanitize()
	e := &SchemaError{Database: f.database, Problem: fmt.Sprintf("role %s may not make or change objects of the schema %s (%v)", f.role, sql.Schema, err)}
	if f.schema {
		e.Remedy = "run what \"changefeed init --dry-run\" prints as the owner of the schema or as a superuser, or give the role the right"
		e.SQL = []string{"GRANT USAGE, CREATE ON SCHEMA " + sql.Schema + " TO " + role}
	} else {
		e.Remedy = "make a schema for it, in database " + database
		e.SQL = []string{"CREATE SCHEMA " + sql.Schema + " AUTHORIZATION " + role}
	}
	return e
}

func (f *inspection) standby() error {
	return &SchemaError{
		Database: f.database, Problem: "the server is a hot standby, on which nothing can be written",
		Remedy: "let the connection string lead to the primary (target_session_attrs=read-write finds it among several hosts)",
	}
}

// madeMeanwhile reports whether somebody who does not know the lock made the
// schema at the same time.
func madeMeanwhile(err error) bool {
	switch sqlState(err) {
	case codeUniqueViolation, codeDuplicateSchema, codeDuplicateTable:
		return true
	}
	return false
}

// Script returns what running a migration means: statements of one transaction,
// each without a semicolon at its end.
func Script(set sql.Set, m sql.Migration) []string { return []string{m.SQL, set.Record(m)} }

// Pending returns the migrations of a set that Migrate would run, and changes
// nothing. Where a person has to act its error is a *SchemaError.
func Pending(ctx context.Context, db Beginner, set sql.Set) ([]sql.Migration, error) {
	var pending []sql.Migration
	err := look(ctx, db, set, func(_ pgx.Tx, f *inspection) (err error) {
		pending, err = f.pending(set)
		return err
	})
	return pending, err
}

// look inspects in a transaction that keeps nothing.
func look(ctx context.Context, db Beginner, set sql.Set, judge func(pgx.Tx, *inspection) error) error {
	ctx, cancel := limit(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		f, err := inspect(ctx, tx, set)
		if err != nil {
			return err
		}
		return judge(tx, f)
	})
	if err != nil {
		return fmt.Errorf("look at migrations: %w", explain(ctx, err))
	}
	return nil
}
