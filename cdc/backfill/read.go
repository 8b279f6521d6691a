package backfill

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
)

// partsSQL lists the tables that hold the rows of a table's route, with what the
// server believes to be their number, and whether a publication lists them. Tables
// with routes of their own, and what is below them, are left out.
const partsSQL = `
WITH RECURSIVE below(oid, kind) AS (
	SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
	UNION
	SELECT c.oid, c.relkind
	FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
	JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::text[]) AS routed(schema, name) WHERE routed.schema = n.nspname AND routed.name = c.relname)
)
SELECT c.oid, c.oid::regclass::text, greatest(c.reltuples, 0)::bigint,
	EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = c.oid AND p.pubname = ANY($5::text[]))
FROM below b JOIN pg_class c ON c.oid = b.oid
WHERE b.kind = 'r'
ORDER BY 1`

// prepare finds the tables that hold the rows, requires that all are published,
// and writes the query.
func (b *Backfill) prepare(ctx context.Context, conn *pgx.Conn) error {
	var schemas, names []string
	for i := range b.cfg.Source.Tables {
		schemas = append(schemas, b.cfg.Source.Tables[i].Name.Schema)
		names = append(names, b.cfg.Source.Tables[i].Name.Name)
	}
	rows, err := conn.Query(ctx, partsSQL, b.cfg.Table.Schema, b.cfg.Table.Name, schemas, names, b.cfg.Source.PublicationFamily())
	if err != nil {
		return fmt.Errorf("find its rows: %w", err)
	}
	var oid uint32
	var name string
	var estimate int64
	var listed bool
	var missing []string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &estimate, &listed}, func() error {
		b.parts = append(b.parts, oid)
		b.done.Estimate += estimate
		if !listed {
			missing = append(missing, name)
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("find its rows: %w", err)
	case len(missing) > 0:
		return fmt.Errorf("%s is not published, so that what is written to it meanwhile would be missed: run \"changefeed init\" first", strings.Join(missing, ", "))
	}
	b.batchSQL, err = b.writeSQL(ctx, conn)
	return err
}

// writeSQL writes the query for a batch. Its first argument are the tables, the
// others the parts of the id after which it begins.
func (b *Backfill) writeSQL(ctx context.Context, conn *pgx.Conn) (string, error) {
	id := b.route.DocumentID
	var texts, columns, marks, filters []string
	for i, name := range id {
		var typ string
		var notNull bool
		err := conn.QueryRow(ctx, `SELECT format_type(atttypid, NULL), attnotnull FROM pg_attribute
			WHERE attrelid = $1::text::regclass AND attname = $2 AND NOT attisdropped`, b.cfg.Table.SQL(), name).Scan(&typ, &notNull)
		if err != nil {
			return "", fmt.Errorf("find column %s of its document id: %w: \"changefeed check\" tells what the table lacks", name, err)
		}
		if !notNull && len(id) > 1 {
			return "", fmt.Errorf("column %s of its document id can be null, and rows are read in the order of the id: forbid nulls", name)
		}
		column := "t." + cdc.QuoteIdent(name)
		columns = append(columns, column)
		marks = append(marks, "$"+strconv.Itoa(i+2)+"::text::"+typ)
		filters = append(filters, column+" IS NOT NULL")
	}
	for _, name := range b.columns() {
		texts = append(texts, "t."+cdc.QuoteIdent(name)+"::text")
	}
	filters = append(filters, "t.tableoid = ANY($1::oid[])")
	order := strings.Join(columns, ", ")
	return "SELECT " + strings.Join(texts, ", ") + " FROM " + b.cfg.Table.SQL() + " AS t WHERE " + strings.Join(filters, " AND ") +
		"%s ORDER BY " + order + " LIMIT " + strconv.Itoa(batchRows) + "\n(" + order + ") > (" + strings.Join(marks, ", ") + ")", nil
}

// columns are the columns of the id, and then those of the fields. One can come
// twice.
func (b *Backfill) columns() []string {
	all := append([]string(nil), b.route.DocumentID...)
	for _, name := range []string{b.route.DocumentType.Column, b.route.DocumentSubtype.Column, b.route.Domain.Column, b.route.Deleted.Column} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// changes are the arguments of changefeed.publish for the rows of a batch.
type changes struct {
	ids                      []string
	types, subtypes, domains []*string
	deleted                  []bool
}

// batch publishes the next rows in a transaction, and returns how many there were.
func (b *Backfill) batch(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	var after []string
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var c changes
		if n, after, err = b.read(ctx, tx, &c); err != nil || n == 0 {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT count(changefeed.publish($1, id, type, subtype, domain, deleted, $7, $8))
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[]) AS c(id, type, subtype, domain, deleted)`,
			b.route.Topic, c.ids, c.types, c.subtypes, c.domains, c.deleted, b.cfg.Source.DataSourceName(b.route), changefeed.SourceTypeSQL)
		if err != nil {
			return fmt.Errorf("publish with changefeed.publish, which \"changefeed init\" makes: %w", err)
		}
		return nil
	})
	if err == nil && n > 0 {
		b.done.Rows += int64(n)
		b.done.After = after
	}
	return n, err
}

// read reads the rows after the last one published.
func (b *Backfill) read(ctx context.Context, tx pgx.Tx, c *changes) (n int, after []string, err error) {
	sql, condition, _ := strings.Cut(b.batchSQL, "\n")
	args := []any{b.parts}
	if b.done.After == nil {
		condition = ""
	} else {
		condition = " AND " + condition
		for _, part := range b.done.After {
			args = append(args, part)
		}
	}
	rows, err := tx.Query(ctx, strings.Replace(sql, "%s", condition, 1), args...)
	if err != nil {
		return 0, nil, fmt.Errorf("read rows: %w", err)
	}
	texts := make([]*string, len(b.columns()))
	dest := make([]any, len(texts))
	for i := range texts {
		dest[i] = &texts[i]
	}
	_, err = pgx.ForEachRow(rows, dest, func() error {
		n++
		after = after[:0]
		for _, part := range texts[:len(b.route.DocumentID)] {
			after = append(after, *part)
		}
		return b.add(c, after, texts[len(b.route.DocumentID):])
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read rows: %w", err)
	}
	return n, after, nil
}

// add applies the route to a row.
func (b *Backfill) add(c *changes, id []string, fields []*string) error {
	next := func(column string) (text changefeed.Text) {
		if column != "" {
			if fields[0] != nil {
				text = changefeed.NewText(*fields[0])
			}
			fields = fields[1:]
		}
		return text
	}
	r := b.route
	docType := r.DocumentType.Of(next(r.DocumentType.Column))
	subtype := r.DocumentSubtype.Of(next(r.DocumentSubtype.Column))
	domain := r.Domain.Of(next(r.Domain.Column))
	deleted, err := r.Deleted.Holds(next(r.Deleted.Column))
	if err != nil {
		return err
	}
	joined := changefeed.JoinID(id...)
	if joined == "" {
		return nil
	}
	c.ids = append(c.ids, joined)
	c.types = append(c.types, pointer(docType))
	c.subtypes = append(c.subtypes, pointer(subtype))
	c.domains = append(c.domains, pointer(domain))
	c.deleted = append(c.deleted, deleted)
	return nil
}

func pointer(t changefeed.Text) *string {
	if !t.Valid {
		return nil
	}
	return &t.String
}
