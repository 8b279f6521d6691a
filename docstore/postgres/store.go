package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/docstore"
)

// RowStore reads the rows of one table as documents. Its methods may be called
// from many goroutines.
type RowStore struct {
	cfg     Config
	name    string // for messages
	table   string // for SQL
	replica *replica
	// described is what is known of the id columns; nil before the first use and
	// after an error that a change of the table would explain.
	described atomic.Pointer[description]
}

var _ docstore.Store = (*RowStore)(nil)

// New returns a store. It does not connect: that is left to the pools, which the
// caller closes when the store is no longer used.
func New(cfg Config) (*RowStore, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &RowStore{
		cfg:   cfg.withDefaults(),
		name:  cfg.Schema + "." + cfg.Table,
		table: pgx.Identifier{cfg.Schema, cfg.Table}.Sanitize(),
	}
	if cfg.Replica != nil {
		s.replica = &replica{pool: cfg.Replica, primary: cfg.Primary}
	}
	return s, nil
}

// GetMany implements [docstore.Store]. Bodies are rows as to_jsonb writes them;
// whether a row is one that counts as deleted is not known here.
// A result's error wraps docstore.ErrNotFound, docstore.ErrConvert or
// docstore.ErrNotRead: rows that do not fit still come from the server, one at a
// time, and are not kept, so a caller that knows its documents to be large asks
// for fewer. The errors of the batch wrap docstore.ErrNotVisible, ctx's, or the server's.
func (s *RowStore) GetMany(ctx context.Context, at docstore.Horizon, ids []string) ([]docstore.Result, error) {
	list := []string{"to_jsonb(t.*)::text"}
	for _, f := range []Field{s.cfg.Type, s.cfg.Domain} {
		if f.Column != "" {
			list = append(list, nullableTextOf(f.Column))
		}
	}
	b, err := s.read(ctx, at, list, ids, docstore.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read documents of %s: %w", s.name, err)
	}
	results := make([]docstore.Result, len(ids))
	for i, id := range ids {
		row, err := b.row(id)
		switch {
		case errors.Is(err, docstore.ErrNotRead):
			results[i].Err = fmt.Errorf("document %q of %s: %w", id, s.name, err)
		case err != nil:
			results[i].Err = fmt.Errorf("document %q of %s: %w: %w", id, s.name, docstore.ErrConvert, err)
		case row == nil:
			results[i].Err = fmt.Errorf("document %q of %s: %w", id, s.name, docstore.ErrNotFound)
		default:
			results[i].Document = s.document(id, row)
		}
	}
	return results, nil
}

// document makes a document of a row read with GetMany's select list.
func (s *RowStore) document(id string, row [][]byte) docstore.Document {
	d := docstore.Document{ID: id, Body: json.RawMessage(row[0])}
	row = row[1:]
	take := func(f Field) changefeed.Text {
		if f.Column == "" {
			return f.Constant
		}
		value := text(row[0])
		row = row[1:]
		return value
	}
	d.Type = take(s.cfg.Type)
	d.Domain = take(s.cfg.Domain)
	return d
}

// Columns returns, for each id, the text of some columns of its row as their
// types' output functions write it, or nil where there is no such row; no row
// has an id that does not convert. Horizon, number of ids and errors are as with
// GetMany.
func (s *RowStore) Columns(ctx context.Context, at docstore.Horizon, ids, columns []string) ([][]changefeed.Text, error) {
	list := make([]string, len(columns))
	for i, name := range columns {
		list[i] = nullableTextOf(name)
	}
	b, err := s.read(ctx, at, list, ids, 0)
	if err != nil {
		return nil, fmt.Errorf("read columns %s of %s: %w", strings.Join(columns, ", "), s.name, err)
	}
	texts := make([][]changefeed.Text, len(ids))
	for i, id := range ids {
		row, err := b.row(id)
		if row == nil || err != nil {
			continue
		}
		texts[i] = make([]changefeed.Text, len(columns))
		for c, value := range row {
			texts[i][c] = text(value)
		}
	}
	return texts, nil
}

func text(value []byte) changefeed.Text {
	if value == nil {
		return changefeed.Text{}
	}
	return changefeed.NewText(string(value))
}

// read reads the rows of ids, with a select list that follows the id columns, and
// keeps at most a number of bytes, or all where that is 0.
// After an error that a changed table would explain it looks at the table again
// and tries once more.
func (s *RowStore) read(ctx context.Context, at docstore.Horizon, list, ids []string, most int) (*batch, error) {
	b, err := newBatch(ids, len(s.cfg.ID), most)
	if err != nil {
		return nil, err
	}
	marks := s.marks(at)
	if len(b.ids) == 0 {
		return b, ctx.Err()
	}
	known := s.described.Load()
	if known != nil {
		err = s.readRows(ctx, marks, s.statement(known, list), b, 0, len(b.ids))
		if !concernsSchema(err) {
			return b, s.explain(err)
		}
	}
	fresh, err := describe(ctx, s.cfg.Primary, s.table, s.cfg.ID)
	if err != nil {
		return nil, s.explain(err)
	}
	s.described.CompareAndSwap(known, fresh)
	err = s.readRows(ctx, marks, s.statement(fresh, list), b, 0, len(b.ids))
	return b, s.explain(err)
}

// statement selects the id columns, then the list.
func (s *RowStore) statement(d *description, list []string) string {
	all := make([]string, 0, len(s.cfg.ID)+len(list))
	for _, name := range s.cfg.ID {
		all = append(all, textOf(name))
	}
	all = append(all, list...)
	return "SELECT " + strings.Join(all, ", ") + " " + d.from(s.table, s.cfg.ID)
}

// marks returns what a read has to see of this source: nil for nothing.
func (s *RowStore) marks(at docstore.Horizon) *docstore.Marks {
	m := at[s.cfg.Source]
	if m == nil {
		return nil
	}
	s.cfg.Epoch.Raise(m.Epoch)
	return s.current(m)
}

// current returns marks, or nil where they are of an epoch that is over.
func (s *RowStore) current(m *docstore.Marks) *docstore.Marks {
	if m != nil && m.Epoch < s.cfg.Epoch.Known() {
		return nil
	}
	return m
}

// explain adds what to do about an error of the server.
func (s *RowStore) explain(err error) error {
	if unprepared, ok := errors.AsType[pgx.ErrPreprocessingBatch](err); ok {
		err = unprepared.Unwrap() // its own message is the whole statement
	}
	if sqlState(err) != codeInsufficientPrivilege {
		return err
	}
	role := pgx.Identifier{s.cfg.Primary.Config().ConnConfig.User}.Sanitize()
	schema := pgx.Identifier{s.cfg.Schema}.Sanitize()
	return fmt.Errorf("%w (run: GRANT SELECT ON %s TO %s; and if its schema is the reason, GRANT USAGE ON SCHEMA %s TO %s; if a row-level security policy is, ALTER ROLE %s BYPASSRLS)",
		err, s.table, role, schema, role, role)
}
