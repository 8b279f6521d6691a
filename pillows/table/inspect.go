package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// findings is what the catalogue says about the tables of a processor.
type findings struct {
	role, database string
	name           string // of the report in the guard
	report, guard  relation
}

// relation is a table: how it must be, and how it was found.
type relation struct {
	schema, name string
	columns      []relationColumn
	key          []string // columns of the primary key

	schemaExists, schemaUsable bool
	oid                        uint32
	exists                     bool
	kind                       string // pg_class.relkind
	found                      map[string]foundColumn
	hasKey                     bool     // a unique index that ON CONFLICT can use
	denied                     []string // privileges that the role lacks
}

// relationColumn is a column that a relation must have.
type relationColumn struct {
	name, kind string
	clauses    string // that follow in its definition
}

// foundColumn is a column that it has.
type foundColumn struct {
	kind      string
	required  bool // not null and without a default
	generated bool // its values cannot be given
}

// relations returns the two tables as they must be.
func (p *Processor) relations() (report, guard relation) {
	report = relation{schema: p.config.Schema, name: p.config.Name, key: []string{p.columns[p.key].Name}}
	for _, c := range p.columns {
		report.columns = append(report.columns, relationColumn{name: c.Name, kind: c.kind.name})
	}
	report.columns = append(report.columns, relationColumn{versionColumn, "bigint", "NOT NULL"})
	// Ids are compared byte by byte: that is fast, and no change of the system's
	// collations can break the index.
	guard = relation{
		schema: p.config.StateSchema, name: guardName, key: []string{"report", "document_id"},
		columns: []relationColumn{
			{"report", "text", `COLLATE "C" NOT NULL`},
			{"document_id", "text", `COLLATE "C" NOT NULL`},
			{"version", "bigint", "NOT NULL"},
		},
	}
	return report, guard
}

// inspect reads the catalogue. It needs no rights.
func (p *Processor) inspect(ctx context.Context, tx pgx.Tx) (*findings, error) {
	f := &findings{name: p.report}
	f.report, f.guard = p.relations()
	err := tx.QueryRow(ctx, "SELECT current_user, current_database()").Scan(&f.role, &f.database)
	if err != nil {
		return nil, fmt.Errorf("read current role: %w", err)
	}
	for _, r := range []*relation{&f.report, &f.guard} {
		if err := r.inspect(ctx, tx); err != nil {
			return nil, fmt.Errorf("read catalogue about %s: %w", r.sql(), err)
		}
	}
	return f, nil
}

const (
	inspectSchema = `SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1`

	inspectRelation = `
SELECT c.oid, c.relkind::text,
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                 AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = cardinality($3::text[])
                 AND (SELECT count(*) FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
                        AND a.attname::text = ANY ($3)) = i.indnkeyatts),
       ARRAY(SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p WHERE NOT has_table_privilege(c.oid, p))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2`

	inspectColumns = `
SELECT attname::text, format_type(atttypid, atttypmod),
       attnotnull AND NOT atthasdef AND attidentity = '', attgenerated <> '' OR attidentity = 'a'
FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`
)

func (r *relation) inspect(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, inspectSchema, r.schema).Scan(&r.schemaUsable)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	r.schemaExists = true
	err = tx.QueryRow(ctx, inspectRelation, r.schema, r.name, r.key).Scan(&r.oid, &r.kind, &r.hasKey, &r.denied)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	r.exists = true
	rows, err := tx.Query(ctx, inspectColumns, r.oid)
	if err != nil {
		return err
	}
	r.found = make(map[string]foundColumn)
	var name string
	var column foundColumn
	_, err = pgx.ForEachRow(rows, []any{&name, &column.kind, &column.required, &column.generated}, func() error {
		r.found[name] = column
		return nil
	})
	return err
}

// complete reports whether there is nothing to make.
func (f *findings) complete() bool { return f.report.exists && f.guard.exists }
