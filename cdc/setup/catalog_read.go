package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
)

// readCatalog asks for everything that preflight and setup judge, in one
// snapshot and a fixed number of queries, whatever the number of tables.
func readCatalog(ctx context.Context, conn *pgx.Conn, cfg *cdc.Config) (*catalog, error) {
	c := &catalog{tables: make(map[cdc.TableName]*catalogTable, len(cfg.Tables))}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		r := &catalogReader{tx: tx, catalog: c, cfg: cfg, byOID: make(map[uint32]*catalogTable)}
		for _, read := range []func(context.Context) error{
			r.server, r.tables, r.parts, r.columns, r.indexes, r.listings, r.publications, r.entries, r.slot, r.others,
		} {
			if err := read(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalogues of source %s: %w", cfg.Source, err)
	}
	return c, nil
}

// catalogReader fills a catalog.
type catalogReader struct {
	tx      pgx.Tx
	catalog *catalog
	cfg     *cdc.Config
	byOID   map[uint32]*catalogTable
	oids    []uint32
}

// each runs a query and calls row for every row, whose columns are in dest.
func (r *catalogReader) each(ctx context.Context, what, sql string, args, dest []any, row func()) error {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("query %s: %w", what, err)
	}
	_, err = pgx.ForEachRow(rows, dest, func() error { row(); return nil })
	if err != nil {
		return fmt.Errorf("query %s: %w", what, err)
	}
	return nil
}

func (r *catalogReader) server(ctx context.Context) error {
	s := &r.catalog.server
	var senderMillis, slotSeconds int64
	err := r.tx.QueryRow(ctx, serverQuery).Scan(&s.version, &s.database, &s.recovering, &s.walLevel,
		&s.maxSlots, &s.usedSlots, &s.maxSenders, &s.usedSenders, &senderMillis, &slotSeconds, &s.keepSize, &s.standbys, &s.role, &s.replication, &s.statistics, &s.emitters)
	if err != nil {
		return fmt.Errorf("query server: %w", err)
	}
	s.senderTimeout = time.Duration(senderMillis) * time.Millisecond
	s.slotTimeout = time.Duration(slotSeconds) * time.Second
	return nil
}

func (r *catalogReader) tables(ctx context.Context) error {
	var schemas, names []string
	for i := range r.cfg.Tables {
		schemas = append(schemas, r.cfg.Tables[i].Name.Schema)
		names = append(names, r.cfg.Tables[i].Name.Name)
	}
	return r.relations(ctx, schemas, names)
}

// relations reads the relations of some names.
func (r *catalogReader) relations(ctx context.Context, schemas, names []string) error {
	var t catalogTable
	dest := []any{
		&t.name.Schema, &t.name.Name, &t.schema, &t.usage, &t.oid, &t.kind, &t.persistence, &t.partition,
		&t.identity, &t.subscribed, &t.heirs,
	}
	return r.each(ctx, "tables", tablesQuery, []any{schemas, names}, dest, func() {
		table := t
		r.catalog.tables[t.name] = &table
		if t.oid != 0 {
			r.byOID[t.oid] = &table
			r.oids = append(r.oids, t.oid)
		}
	})
}

// parts reads the tables without a route of their own whose rows are those of a
// routed table as well.
func (r *catalogReader) parts(ctx context.Context) error {
	var oid uint32
	var name cdc.TableName
	wholes := make(map[cdc.TableName]cdc.TableName)
	var schemas, names []string
	err := r.each(ctx, "partitions", partsQuery, []any{r.oids}, []any{&oid, &name.Schema, &name.Name}, func() {
		if r.catalog.tables[name] == nil {
			wholes[name] = r.byOID[oid].name
			schemas, names = append(schemas, name.Schema), append(names, name.Name)
			r.catalog.parts = append(r.catalog.parts, name)
		}
	})
	if err != nil || len(names) == 0 {
		return err
	}
	if err := r.relations(ctx, schemas, names); err != nil {
		return err
	}
	for name, whole := range wholes {
		r.catalog.tables[name].whole = whole
	}
	return nil
}

func (r *catalogReader) columns(ctx context.Context) error {
	var oid uint32
	var c catalogColumn
	dest := []any{&oid, &c.number, &c.name, &c.typ, &c.notNull, &c.generated, &c.readable}
	return r.each(ctx, "columns", columnsQuery, []any{r.oids}, dest, func() {
		t := r.byOID[oid]
		t.columns = append(t.columns, c)
	})
}

func (r *catalogReader) indexes(ctx context.Context) error {
	var oid uint32
	var ix catalogIndex
	var numbers []int16
	dest := []any{&oid, &ix.name, &ix.primary, &ix.key, &ix.valid, &ix.identity, &ix.builder, &numbers}
	return r.each(ctx, "indexes", indexesQuery, []any{r.oids}, dest, func() {
		t, index := r.byOID[oid], ix
		index.notNull = true
		for _, number := range numbers {
			for _, c := range t.columns {
				if c.number == number {
					index.columns = append(index.columns, c.name)
					index.notNull = index.notNull && c.notNull
					index.generated = index.generated || c.generated
				}
			}
		}
		t.indexes = append(t.indexes, index)
	})
}

func (r *catalogReader) listings(ctx context.Context) error {
	var oid uint32
	var l catalogListing
	dest := []any{&oid, &l.publication, &l.itself, &l.columns, &l.filter}
	return r.each(ctx, "other publications", listingsQuery, []any{r.oids, r.cfg.PublicationFamily()}, dest, func() {
		t := r.byOID[oid]
		t.listings = append(t.listings, l)
	})
}

func (r *catalogReader) publications(ctx context.Context) error {
	var p catalogPublication
	var insert, update, deletion bool
	dest := []any{&p.name, &p.allTables, &p.schemas, &insert, &update, &deletion, &p.truncate, &p.viaRoot}
	sql := fmt.Sprintf(publicationsQuery, "false")
	if r.catalog.server.columnLists() {
		sql = fmt.Sprintf(publicationsQuery, "EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)")
	}
	return r.each(ctx, "publications", sql, []any{r.cfg.PublicationFamily()}, dest, func() {
		own := p
		for op, published := range map[cdc.Operations]bool{cdc.Insert: insert, cdc.Update: update, cdc.Delete: deletion} {
			if published {
				own.operations |= op
			}
		}
		r.catalog.publications = append(r.catalog.publications, own)
	})
}

func (r *catalogReader) entries(ctx context.Context) error {
	var publication string
	var e catalogEntry
	dest := []any{&publication, &e.table.Schema, &e.table.Name, &e.columns, &e.filter}
	return r.each(ctx, "published tables", entriesQuery, []any{r.cfg.PublicationFamily()}, dest, func() {
		p := r.catalog.publication(publication)
		p.entries = append(p.entries, e)
	})
}

func (r *catalogReader) slot(ctx context.Context) error {
	var s catalogSlot
	err := r.tx.QueryRow(ctx, slotQuery, r.cfg.Slot).Scan(&s.plugin, &s.database, &s.temporary, &s.activePID,
		&s.walStatus, &s.reason, &s.confirmed, &s.failover)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("query slot: %w", err)
	}
	r.catalog.slot = &s
	return nil
}

// others reads the names to propose for tables that are not there.
func (r *catalogReader) others(ctx context.Context) error {
	if len(r.oids) == len(r.catalog.tables) {
		return nil
	}
	var name cdc.TableName
	return r.each(ctx, "other tables", othersQuery, nil, []any{&name.Schema, &name.Name}, func() {
		r.catalog.others = append(r.catalog.others, name)
	})
}
