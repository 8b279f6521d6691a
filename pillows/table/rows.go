package table

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"changefeed/pillows"
)

// row is what one item makes of the report table.
type row struct {
	item    int // its index in the batch
	id      string
	version []byte // in decimal
	// key is the primary key. It is nil for a deletion whose id is no value of
	// the key's type: such a document never had a row.
	key      []byte
	deletion bool
	// values by column, nil being NULL; none for a deletion. They may be parts
	// of the document's body.
	values [][]byte
}

// size is about the number of bytes that the row takes on the wire.
func (r *row) size() int {
	const length = 4
	size := len(r.id) + len(r.version) + len(r.key) + 3*length
	for _, v := range r.values {
		size += length + len(v)
	}
	return size
}

// rows converts the items of a batch, and returns the rows in the order of ids,
// which is the order in which all workers take the guard. Where documents of
// several sources have the same id, they are one document here, and the newest is
// the one that counts: see newerFirst.
func (p *Processor) rows(b *pillows.Batch) (rows []row, failed []pillows.ItemError) {
	items := b.Items
	rows = make([]row, 0, len(items))
	raws := make([][]byte, len(p.columns))
	values := make([][]byte, len(items)*len(p.columns))
	for i := range items {
		r := row{item: i}
		r.values, values = values[:len(p.columns):len(p.columns)], values[len(p.columns):]
		if err := p.convert(&r, &items[i], raws); err != nil {
			failed = append(failed, pillows.ItemError{Index: i, Err: err})
			continue
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(strings.Compare(a.id, b.id), newerFirst(items, &a, &b))
	})
	newest := rows[:0]
	for _, r := range rows {
		if n := len(newest); n > 0 && newest[n-1].id == r.id {
			b.Settle(r.item, pillows.Superseded)
			continue
		}
		newest = append(newest, r)
	}
	return newest, failed
}

// newerFirst orders the rows of one id. Of equal versions a save goes before a
// deletion, because its document was there after both, and of two saves or two
// deletions the one that is later in the batch.
func newerFirst(items []pillows.Item, a, b *row) int {
	order := cmp.Compare(items[b.item].Change.Version, items[a.item].Change.Version)
	switch {
	case order != 0:
		return order
	case b.deletion && !a.deletion:
		return -1
	case a.deletion && !b.deletion:
		return 1
	}
	return cmp.Compare(b.item, a.item)
}

// convert fills a row from an item. raws is room for a value of each column.
func (p *Processor) convert(r *row, item *pillows.Item, raws [][]byte) error {
	change := &item.Change
	r.id = change.Meta.DocumentID
	r.version = strconv.AppendInt(nil, int64(change.Version), 10)
	r.deletion = change.Meta.IsDeletion || item.Document.Deleted
	if err := checkID(r.id); err != nil {
		return err
	}
	key, err := convertID(&p.columns[p.key], r.id)
	if r.deletion {
		r.key, r.values = key, nil
		return nil
	}
	if err != nil {
		return err
	}
	r.key = key

	clear(raws)
	s := scanner{text: item.Document.Body, values: raws}
	if err := s.document(p.paths); err != nil {
		return err
	}
	for i := range p.columns {
		c := &p.columns[i]
		if c.Path == idPath {
			r.values[i], err = convertID(c, r.id)
		} else {
			r.values[i], err = convertBody(c, raws[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func checkID(id string) error {
	switch {
	case !utf8.ValidString(id):
		return errors.New("the document's id is not UTF-8")
	case strings.Contains(id, "\x00"):
		return errors.New(`the document's id holds \u0000, which PostgreSQL cannot store`)
	default:
		return nil
	}
}

// convertID converts a document's id. It returns nil for an id that is no value
// of the type, or not written as PostgreSQL would write it.
func convertID(c *column, id string) ([]byte, error) {
	text, err := c.kind.convert(value{kind: stringValue, text: []byte(id)})
	if err == nil && !c.kind.canonical(text) {
		err = errors.New("PostgreSQL writes this value in another way, so two documents could be one row: make the column text")
	}
	if err != nil {
		return nil, conversionError(c, strconv.AppendQuote(nil, id), err)
	}
	return text, nil
}

// convertBody converts a value of the body.
func convertBody(c *column, raw []byte) ([]byte, error) {
	if isNull(raw) {
		return nil, nil
	}
	v, err := newValue(raw)
	if err == nil {
		var text []byte
		if text, err = c.kind.convert(v); err == nil {
			return text, nil
		}
	}
	return nil, conversionError(c, raw, err)
}

// chunks cuts rows into parts that are written in one transaction each, so that
// what is encoded at a time is bounded whatever the documents.
func chunks(rows []row) func(yield func([]row) bool) {
	return func(yield func([]row) bool) {
		for len(rows) > 0 {
			n, size := 0, 0
			for n < len(rows) && (n == 0 || size+rows[n].size() <= maxChunkBytes) {
				size += rows[n].size()
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// maxChunkBytes bounds the rows of one transaction.
const maxChunkBytes = 8 << 20
