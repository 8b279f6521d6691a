package cdc

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"unsafe"
)

// document is what a transaction did to one document: a change before it is
// written out. It holds texts as they are in the columns, so that a route's
// rules are applied when it is published and a lookup can still fill them in.
type document struct {
	route  *route // of the document's row, not of a satellite's; or of messages about such
	id     span
	values [maxAttributes]span // of route.attributes

	lsn, xid, ordinal uint64 // its position, once it has left its transaction

	hasRow     bool // a row of its own was in the transaction, not only satellites' and messages
	deleted    bool // its row is gone, or has another id now, or a message says so
	lookup     bool // its values have to be read from its row
	gone       bool // that row was not there
	suppressed bool // it uses its number and is not published
	present    bool // its change is in the topic already
}

// documentSize is what a document takes in a queue beside its texts.
const documentSize = int(unsafe.Sizeof(document{}))

// span is a text in a buffer beside it.
type span struct {
	start  uint32
	length int32 // or one of the two below
}

const (
	spanNull    int32 = -1 // the column is null
	spanUnknown int32 = -2 // what the column holds is not known
)

// of cuts the text out of its buffer.
func (s span) of(text []byte) []byte {
	if s.length <= 0 {
		return nil
	}
	return text[s.start : int(s.start)+int(s.length)]
}

// appendSpan appends a text to a buffer.
func appendSpan[T string | []byte](buffer []byte, text T) ([]byte, span) {
	s := span{start: uint32(len(buffer)), length: int32(len(text))}
	return append(buffer, text...), s
}

// move copies the text of a span from one buffer to the end of another.
func (s *span) move(dst, src []byte) []byte {
	if s.length > 0 {
		dst, *s = appendSpan(dst, s.of(src))
	}
	return dst
}

// documents are those of a transaction, or of one piece of it, in the order in
// which they were first touched, found by their routes' group and id.
type documents struct {
	list []document
	text []byte // of all spans in list

	// index finds folded documents: open addressing, 1 + the place in list, 0
	// for a free slot. It is used past a few documents only, because most
	// transactions have no more than that.
	index  []uint32
	hashed int // documents of list that are in index
	seed   maphash.Seed
}

const (
	scanned  = 8       // as many documents are found without the index
	keptText = 4 << 20 // a buffer larger than that is not kept for the next piece
)

func newDocuments() *documents { return &documents{seed: maphash.MakeSeed()} }

// touch returns the document of a route, a new one where there is none yet. It
// is valid until the next call.
func (d *documents) touch(r *route, id []byte) (doc *document, isNew bool) {
	if !r.folds {
		return d.add(r, id), true
	}
	if len(d.list) <= scanned {
		for i := range d.list {
			if doc = &d.list[i]; d.is(doc, r, id) {
				return doc, false
			}
		}
		return d.add(r, id), true
	}
	d.hashAll()
	slot := d.slot(r, id)
	if d.index[slot] != 0 {
		return &d.list[d.index[slot]-1], false
	}
	doc = d.add(r, id)
	d.index[slot] = uint32(len(d.list))
	d.hashed = len(d.list)
	return doc, true
}

func (d *documents) is(doc *document, r *route, id []byte) bool {
	return doc.route.group == r.group && doc.route.folds && bytes.Equal(doc.id.of(d.text), id)
}

func (d *documents) add(r *route, id []byte) *document {
	doc := document{route: r}
	d.text, doc.id = appendSpan(d.text, id)
	d.list = append(d.list, doc)
	return &d.list[len(d.list)-1]
}

// hashAll brings every document into the index, and leaves room for one more.
func (d *documents) hashAll() {
	if 2*(len(d.list)+1) > len(d.index) {
		size := 64
		for size < 4*(len(d.list)+1) {
			size *= 2
		}
		d.index = slices.Grow(d.index[:0], size)[:size]
		clear(d.index)
		d.hashed = 0
	}
	for ; d.hashed < len(d.list); d.hashed++ {
		doc := &d.list[d.hashed]
		if doc.route.folds {
			d.index[d.slot(doc.route, doc.id.of(d.text))] = uint32(d.hashed + 1)
		}
	}
}

// slot returns where a document is in the index, or the free slot where it
// belongs.
func (d *documents) slot(r *route, id []byte) int {
	mask := uint64(len(d.index) - 1)
	at := (maphash.Bytes(d.seed, id) + r.group) & mask
	for d.index[at] != 0 && !d.is(&d.list[d.index[at]-1], r, id) {
		at = (at + 1) & mask
	}
	return int(at)
}

// sort brings the documents into the order of their routes, those of one order
// into that of their first touch. They cannot be found any more afterwards.
func (d *documents) sort() {
	for i := range d.list {
		d.list[i].ordinal = uint64(i)
	}
	slices.SortFunc(d.list, func(a, b document) int {
		return cmp.Or(cmp.Compare(a.route.table.Order, b.route.table.Order), cmp.Compare(a.ordinal, b.ordinal))
	})
}

// reset forgets the documents and keeps the memory, unless it has become large.
func (d *documents) reset() {
	d.list = d.list[:0]
	if d.text = d.text[:0]; cap(d.text) > keptText {
		d.text = nil
	}
	d.index = d.index[:0]
	d.hashed = 0
}
