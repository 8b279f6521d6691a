package state

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed/sql"
)

// Migrate is the function Migrate for the store's own tables.
func (s *Store) Migrate(ctx context.Context) ([]sql.Migration, error) {
	done, err := Migrate(ctx, s.pool, sql.State())
	if err != nil {
		return done, fmt.Errorf("state: %w", err)
	}
	return done, nil
}

// Pending is the function Pending for the store's own tables. It also returns the
// role of the connection string, to which they have to belong.
func (s *Store) Pending(ctx context.Context) (pending []sql.Migration, role string, err error) {
	set := sql.State()
	err = look(ctx, s.pool, set, func(_ pgx.Tx, f *inspection) (err error) {
		role = f.role
		pending, err = f.pending(set)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("state: %w", err)
	}
	return pending, role, nil
}

// Check tells whether the store's tables are there, those that this program
// knows, with the rights that it needs. Where a person has to act its error is a
// *SchemaError. It changes nothing.
func (s *Store) Check(ctx context.Context) error {
	set := sql.State()
	err := look(ctx, s.pool, set, func(tx pgx.Tx, f *inspection) error { return check(ctx, tx, f, set) })
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

func check(ctx context.Context, tx pgx.Tx, f *inspection, set sql.Set) error {
	pending, err := f.pending(set)
	switch {
	case err != nil:
		return err
	case f.recovering:
		return f.standby()
	case len(f.applied) == 0:
		return &SchemaError{
			Database: f.database, Problem: "it has no state tables, in which a publisher remembers how far it has come",
			Remedy: "make them", Command: "changefeed init",
		}
	case len(pending) > 0:
		return &SchemaError{
			Database: f.database, Problem: fmt.Sprintf("its state tables are of an older version: %d of %d migrations have been run", len(f.applied), len(set.Migrations)),
			Remedy: "bring them up to date", Command: "changefeed init",
		}
	}
	return checkTables(ctx, tx, f)
}

// rights are what a publisher needs, by table.
var rights = map[string][]string{
	"checkpoints": {"SELECT", "INSERT", "UPDATE"},
	"epochs":      {"SELECT", "UPDATE"},
	"gaps":        {"SELECT", "INSERT"},
}

// checkTables looks whether the tables are still there, and usable.
func checkTables(ctx context.Context, tx pgx.Tx, f *inspection) error {
	const query = `
SELECT t.name, c.oid IS NOT NULL, coalesce(has_table_privilege(c.oid, 'SELECT'), false),
	coalesce(has_table_privilege(c.oid, 'INSERT'), false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false)
FROM unnest($2::text[]) AS t (name)
JOIN pg_catalog.pg_namespace n ON n.nspname = $1
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
ORDER BY t.name`
	var gone, grants []string
	var table string
	var exists, mayRead, mayInsert, mayUpdate bool
	rows, _ := tx.Query(ctx, query, sql.Schema, slices.Collect(maps.Keys(rights)))
	_, err := pgx.ForEachRow(rows, []any{&table, &exists, &mayRead, &mayInsert, &mayUpdate}, func() error {
		has := map[string]bool{"SELECT": mayRead, "INSERT": mayInsert, "UPDATE": mayUpdate}
		name, needed := sql.Schema+"."+table, rights[table]
		switch {
		case !exists:
			gone = append(gone, name)
		case slices.ContainsFunc(needed, func(right string) bool { return !has[right] }):
			grants = append(grants, "GRANT "+strings.Join(needed, ", ")+" ON "+name+" TO "+pgx.Identifier{f.role}.Sanitize())
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("read privileges: %w", err)
	case len(gone) > 0:
		return &SchemaError{
			Database: f.database, Problem: "state tables have been dropped: " + strings.Join(gone, ", "),
			Remedy: "restore them from a backup, or drop all state tables, which sql/README.md names, and run \"changefeed init\"",
		}
	case len(grants) > 0:
		return &SchemaError{
			Database: f.database, Problem: "role " + f.role + " lacks rights on the state tables",
			Remedy: "as their owner, run", SQL: grants,
		}
	}
	return nil
}
