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
	key   []byte           // reused by place
}

// newBatch takes the ids of a call apart. An id that has not as many parts as
// there are columns gets its error here and is not asked for.
func newBatch(ids []string, columns int) (*batch, error) {
	if len(ids) > docstore.MaxBatch {
		return nil, fmt.Errorf("%d ids at once, more than %d: ask for fewer", len(ids), docstore.MaxBatch)
	}
	b := &batch{
		index: make(map[string]int, len(ids)),
		parts: make([][]string, columns),
		errs:  make(map[string]error),
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
	b.rows = make([][][]byte, len(b.ids))
	return b, nil
}

// row returns what was read of an id: the values of its row, nil where there is
// none, or the error that says why there can be none.
func (b *batch) row(id string) ([][]byte, error) {
	if err := b.errs[id]; err != nil {
		return nil, err
	}
	return b.rows[b.index[id]], nil
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
	clear(b.rows[lo:hi])
	for _, id := range b.ids[lo:hi] {
		delete(b.errs, id)
	}
}

// take keeps a row that was read for the ids from lo to hi: the id columns, then
// the values. The raw values are valid during the call only.
func (b *batch) take(raw [][]byte, lo, hi int) error {
	columns := len(b.parts)
	i, asked := b.place(raw[:columns])
	if !asked || i < lo || i >= hi {
		// By the type's rules it equals one of these ids, as 7 equals 007, but
		// its text is that of another.
		return nil
	}
	if b.rows[i] != nil {
		return errAmbiguous
	}
	b.rows[i] = cloneValues(raw[columns:])
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

// cloneValues copies values into one allocation. Null stays nil.
func cloneValues(raw [][]byte) [][]byte {
	size := 0
	for _, value := range raw {
		size += len(value)
	}
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
