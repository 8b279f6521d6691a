package postgres

import (
	"errors"
	"fmt"

	"changefeed"
	"changefeed/docstore"
)

// errAmbiguous says that the id columns do not identify a row.
var errAmbiguous = errors.New("several rows have the same document id: name columns that are unique together in document_id")

// batch is the ids of one call, each once, and what was read of them.
type batch struct {
	ids   []string         // distinct, in order of first use
	index map[string]int   // place of an id in ids
	parts [][]string       // by id column, in the order of ids: the parts of the ids
	rows  [][][]byte       // in the order of ids: a row's values, nil for null; nil for no row
	errs  map[string]error // by id: why there can be no row
	most  int              // bounds the bytes of rows; 0: no bound
	kept  int              // the bytes of rows
	left  []bool           // in the order of ids: there is a row, and no room for it
	key   []byte           // reused by place
}

// newBatch takes the ids of a call apart. An id that has not as many parts as
// there are columns gets its error here and is not asked for. most bounds the
// bytes that are kept, but for the first row; 0 means no bound.
func newBatch(ids []string, columns, most int) (*batch, error) {
	if len(ids) > docstore.MaxBatch {
		return nil, fmt.Errorf("%d ids at once, more than %d: ask for fewer", len(ids), docstore.MaxBatch)
	}
	b := &batch{
		index: make(map[string]int, len(ids)),
		parts: make([][]string, columns),
		errs:  make(map[string]error),
		most:  most,
	}
	for _, id := range ids {
		if _, known := b.index[id]; known {
			continue
		}
		parts, err := changefeed.SplitID(id, columns)
		if err != nil {
			b.errs[id] = err
			continue
		}
		b.index[id] = len(b.ids)
		b.ids = append(b.ids, id)
		for c, part := range parts {
			b.parts[c] = append(b.parts[c], part)
		}
	}
	b.rows, b.left = make([][][]byte, len(b.ids)), make([]bool, len(b.ids))
	return b, nil
}

// row returns what was read of an id: the values of its row, nil where there is
// none, or the error that says why there can be none, or that the row was left.
func (b *batch) row(id string) ([][]byte, error) {
	if err := b.errs[id]; err != nil {
		return nil, err
	}
	i := b.index[id]
	if b.left[i] {
		return nil, docstore.ErrNotRead
	}
	return b.rows[i], nil
}

// arguments returns the statement's arguments for the ids from lo to hi.
func (b *batch) arguments(lo, hi int) []any {
	args := make([]any, len(b.parts))
	for c := range b.parts {
		args[c] = b.parts[c][lo:hi]
	}
	return args
}

// forget drops what was read of the ids from lo to hi.
func (b *batch) forget(lo, hi int) {
	for _, row := range b.rows[lo:hi] {
		b.kept -= sizeOf(row)
	}
	clear(b.rows[lo:hi])
	clear(b.left[lo:hi])
	for _, id := range b.ids[lo:hi] {
		delete(b.errs, id)
	}
}

// take keeps a row that was read for the ids from lo to hi: the id columns, then
// the values. A row for which there is no room is left. The raw values are valid
// during the call only.
func (b *batch) take(raw [][]byte, lo, hi int) error {
	columns := len(b.parts)
	i, asked := b.place(raw[:columns])
	if !asked || i < lo || i >= hi {
		// By the type's rules it equals one of these ids, as 7 equals 007, but
		// its text is that of another.
		return nil
	}
	if b.rows[i] != nil || b.left[i] {
		return errAmbiguous
	}
	size := sizeOf(raw[columns:])
	if b.most > 0 && b.kept > 0 && b.kept+size > b.most {
		b.left[i] = true
		return nil
	}
	b.rows[i] = cloneValues(raw[columns:], size)
	b.kept += size
	return nil
}

// place finds the id that the id columns of a row make.
func (b *batch) place(columns [][]byte) (int, bool) {
	if len(columns) == 1 {
		i, ok := b.index[string(columns[0])]
		return i, ok
	}
	b.key = b.key[:0]
	for c, part := range columns {
		if c > 0 {
			b.key = append(b.key, '/')
		}
		b.key = changefeed.AppendIDPart(b.key, part)
	}
	i, ok := b.index[string(b.key)]
	return i, ok
}

// sizeOf returns the bytes of a row's values.
func sizeOf(values [][]byte) int {
	size := 0
	for _, value := range values {
		size += len(value)
	}
	return size
}

// cloneValues copies values of a size into one allocation. Null stays nil.
func cloneValues(raw [][]byte, size int) [][]byte {
	buffer := make([]byte, 0, size)
	values := make([][]byte, len(raw))
	for i, value := range raw {
		if value == nil {
			continue
		}
		start := len(buffer)
		buffer = append(buffer, value...)
		values[i] = buffer[start:len(buffer):len(buffer)]
	}
	return values
}
