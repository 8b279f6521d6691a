package state

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"changefeed/sql"
)

// inspection is what was found of a set in a database.
type inspection struct {
	role, database string
	recovering     bool // the server is a standby
	schema         bool // it exists
	usable         bool // the role has USAGE on it
	table          bool // that records the set exists
	readable       bool // the role has SELECT on it
	applied        []record
}

// record is a migration that has been run.
type record struct {
	number         int
	name, checksum string
}

// inspect looks at the catalogue, which everybody may read, before it reads the
// table.
func inspect(ctx context.Context, tx pgx.Tx, set sql.Set) (*inspection, error) {
	const catalog = `
SELECT current_user::text, current_database()::text, pg_is_in_recovery(),
	n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
	c.oid IS NOT NULL, coalesce(has_table_privilege(c.oid, 'SELECT'), false)
FROM (SELECT) AS one_row
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2`
	f := &inspection{}
	err := tx.QueryRow(ctx, catalog, sql.Schema, set.Table).
		Scan(&f.role, &f.database, &f.recovering, &f.schema, &f.usable, &f.table, &f.readable)
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	if !f.table || !f.usable || !f.readable {
		return f, nil
	}
	rows, _ := tx.Query(ctx, "SELECT number, name, checksum FROM "+sql.Schema+"."+set.Table+" ORDER BY number")
	var r record
	_, err = pgx.ForEachRow(rows, []any{&r.number, &r.name, &r.checksum}, func() error {
		f.applied = append(f.applied, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read migrations that have been run: %w", err)
	}
	return f, nil
}

// pending returns the migrations of a set that have not been run, or why none can
// be: a *SchemaError.
func (f *inspection) pending(set sql.Set) ([]sql.Migration, error) {
	refuse := func(problem, remedy string, statements ...string) error {
		return &SchemaError{Database: f.database, Problem: problem, Remedy: remedy, SQL: statements}
	}
	table, role := sql.Schema+"."+set.Table, pgx.Identifier{f.role}.Sanitize()
	switch {
	case f.schema && !f.usable:
		return nil, refuse("role "+f.role+" may not use the schema "+sql.Schema, "as its owner, run",
			"GRANT USAGE ON SCHEMA "+sql.Schema+" TO "+role)
	case f.table && !f.readable:
		return nil, refuse("role "+f.role+" may not read "+table, "as its owner, run", "GRANT SELECT ON "+table+" TO "+role)
	}
	for i, r := range f.applied {
		switch {
		case r.number != i+1:
			return nil, refuse(fmt.Sprintf("%s lacks migration %d", table, i+1),
				"restore that row from a backup, or drop the objects of the set, which sql/README.md names, and run \"changefeed init\"")
		case i >= len(set.Migrations):
			return nil, refuse(fmt.Sprintf("it was set up by a newer version of changefeed: %s has migration %d (%s), and this program knows %d",
				table, r.number, r.name, len(set.Migrations)), "install that version or a later one")
		case r.checksum != set.Migrations[i].Checksum:
			m := &set.Migrations[i]
			return nil, refuse(fmt.Sprintf("it was set up by another build of changefeed: migration %d (%s) in %s is not this program's", r.number, r.name, table),
				fmt.Sprintf("use the program that set it up; or, where the objects are those of this program's %04d_%s.sql, run", m.Number, m.Name),
				fmt.Sprintf("UPDATE %s SET name = '%s', checksum = '%s' WHERE number = %d", table, m.Name, m.Checksum, m.Number))
		}
	}
	return set.Migrations[len(f.applied):], nil
}
