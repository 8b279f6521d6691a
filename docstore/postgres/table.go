package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore"
)

// describeSQL gives, for each id column asked for, whether the table is there,
// the column's type without its modifiers, below all domains, and whether that
// is an array; the type is null where there is no such column.
const describeSQL = `
WITH RECURSIVE columns AS (
	SELECT w.ordinality AS place, a.atttypid AS type
	FROM unnest($2::text[]) WITH ORDINALITY AS w(name, ordinality)
	LEFT JOIN pg_catalog.pg_attribute a
		ON a.attrelid = to_regclass($1) AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT c.place, t.typbasetype
	FROM columns c JOIN pg_catalog.pg_type t ON t.oid = c.type AND t.typtype = 'd'
)
SELECT to_regclass($1) IS NOT NULL, format_type(t.oid, -1), coalesce(t.typcategory = 'A', false)
FROM columns c LEFT JOIN pg_catalog.pg_type t ON t.oid = c.type
WHERE t.typtype IS DISTINCT FROM 'd'
ORDER BY c.place`

// description is what the catalogue says about the id columns.
type description struct {
	types []string // as SQL writes them
	array bool     // one of them is an array
}

func describe(ctx context.Context, pool *pgxpool.Pool, table string, columns []string) (*description, error) {
	rows, err := pool.Query(ctx, describeSQL, table, columns)
	if err != nil {
		return nil, fmt.Errorf("look up id columns: %w", err)
	}
	defer rows.Close()
	var d description
	for rows.Next() {
		var exists, array bool
		var name *string
		if err := rows.Scan(&exists, &name, &array); err != nil {
			return nil, fmt.Errorf("look up id columns: %w", err)
		}
		switch {
		case !exists:
			return nil, errors.New("the table does not exist: create it, or name another in the configuration")
		case name == nil:
			return nil, fmt.Errorf("column %q of document_id does not exist: name columns of the table", columns[len(d.types)])
		}
		d.types = append(d.types, *name)
		d.array = d.array || array
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up id columns: %w", err)
	}
	return &d, nil
}

// from returns the statement's part after the select list, which takes one text
// array for each id column. It gives at most one row more than there may be ids:
// that many can only be where an id has several rows.
func (d *description) from(table string, columns []string) string {
	const limit = docstore.MaxBatch + 1
	var b strings.Builder
	if len(columns) == 1 && !d.array {
		fmt.Fprintf(&b, "FROM %s AS t WHERE %s = ANY ($1::text[]::%s[])", table, column(columns[0]), d.types[0])
	} else {
		left, right := make([]string, len(columns)), make([]string, len(columns))
		for i, name := range columns {
			left[i], right[i] = column(name), fmt.Sprintf("k.p%d::%s", i+1, d.types[i])
		}
		fmt.Fprintf(&b, "FROM %s AS t WHERE (%s) IN (SELECT %s FROM unnest(%s) AS k(%s))",
			table, strings.Join(left, ", "), strings.Join(right, ", "),
			numbered("$%d::text[]", len(columns)), numbered("p%d", len(columns)))
	}
	return b.String() + " LIMIT " + strconv.Itoa(limit)
}

// numbered repeats a format for 1 to n, with commas.
func numbered(format string, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i+1)
	}
	return strings.Join(parts, ", ")
}

// column names a column of the row t.
func column(name string) string { return "t." + pgx.Identifier{name}.Sanitize() }

// textOf selects what the output function writes of a column that is not null.
// A cast to text is something else for some types: see the package documentation.
func textOf(name string) string { return "format('%s', " + column(name) + ")" }

// nullableTextOf selects what the output function writes of a column, or null.
// IS NOT NULL will not do: it looks into a composite value.
func nullableTextOf(name string) string {
	return "CASE WHEN num_nulls(" + column(name) + ") = 0 THEN " + textOf(name) + " END"
}

// SQLSTATE codes and classes.
const (
	codeInsufficientPrivilege = "42501"
	codeFeatureNotSupported   = "0A000" // also: a cached plan's result type changed
	classData                 = "22"    // a value does not convert
	classLimit                = "54"    // a document is too large for jsonb
	classSchema               = "42"    // a name or a type is not what it was
)

// sqlState returns the code of a server's error, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// concernsData reports whether single ids or documents may be to blame.
func concernsData(err error) bool {
	state := sqlState(err)
	return strings.HasPrefix(state, classData) || strings.HasPrefix(state, classLimit)
}

// concernsSchema reports whether a change of the table explains the error.
func concernsSchema(err error) bool {
	state := sqlState(err)
	return state == codeFeatureNotSupported || strings.HasPrefix(state, classSchema) && state != codeInsufficientPrivilege
}
