package pgoutput

import (
	"encoding/binary"
	"slices"
)

// Tuple is a row: one Value for each column of the relation message, in its order.
type Tuple []Value

// Value is a column of a row.
type Value struct {
	Kind ValueKind
	Data []byte // of ValueText and ValueBinary, never nil there; nil otherwise
}

// ValueKind says how a Value is represented.
type ValueKind byte

// The kinds of value.
const (
	ValueNull      ValueKind = 'n'
	ValueUnchanged ValueKind = 'u' // stored out of line and not touched: not sent, not null
	ValueText      ValueKind = 't' // as the type's output function writes it
	ValueBinary    ValueKind = 'b' // as the type's send function writes it
)

// valueHeader is the size of the kind and length in front of a value's bytes.
const valueHeader = 1 + 4

// tuple reads a tuple into dst's storage. It is the innermost loop of the
// decoder, so it keeps its place in locals and looks for the end of the message
// itself rather than through the field methods.
func (r *reader) tuple(dst Tuple) Tuple {
	count := int(r.uint16("number of columns"))
	data, off := r.data, r.off
	if count > len(data)-off { // each column has at least its kind
		r.failf(off-2, "tuple of %d columns in %d bytes", count, len(data)-off)
		return nil
	}
	dst = slices.Grow(dst[:0], count)[:count]
	for i := range dst {
		if off >= len(data) {
			r.failf(off, "column %d of %d: message ends before its kind", i, count)
			return nil
		}
		switch kind := ValueKind(data[off]); kind {
		case ValueText, ValueBinary:
			if len(data)-off < valueHeader {
				r.failf(off+1, "column %d of %d: message ends in its length", i, count)
				return nil
			}
			length := binary.BigEndian.Uint32(data[off+1:])
			off += valueHeader
			if uint64(length) > uint64(len(data)-off) {
				r.failf(off-4, "column %d of %d: length %d with %d bytes left", i, count, length, len(data)-off)
				return nil
			}
			end := off + int(length)
			dst[i] = Value{Kind: kind, Data: data[off:end:end]}
			off = end
		case ValueNull, ValueUnchanged:
			dst[i] = Value{Kind: kind}
			off++
		default:
			r.failf(off, "column %d of %d: unknown kind of value %+q", i, count, rune(kind))
			return nil
		}
	}
	r.off = off
	return dst
}
