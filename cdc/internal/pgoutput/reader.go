package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// reader walks over one message. Only its methods look into the message, and
// each compares what it wants with what is left before it takes it.
//
// The first failure is kept. Everything read after it is zero, so the decoders
// of the single messages read their fields in a row and leave the question
// whether all went well to their caller. In a composite literal, which Go
// evaluates in the order it is written, that order is the one on the wire.
type reader struct {
	kind Kind
	data []byte // the whole message, tag included; cut at off by a failure
	off  int    // of the next byte
	err  *Error
}

// failf notes a fault at an offset, unless there has been one before, and
// leaves nothing to read.
func (r *reader) failf(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Kind: r.kind, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	r.data = r.data[:r.off]
}

// take returns the next n bytes, or nil where there are fewer.
func (r *reader) take(n int, field string) []byte {
	if n > len(r.data)-r.off {
		r.failf(r.off, "%s: %d bytes wanted, %d left", field, n, len(r.data)-r.off)
		return nil
	}
	start := r.off
	r.off += n
	return r.data[start:r.off:r.off]
}

func (r *reader) uint8(field string) byte {
	if b := r.take(1, field); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16(field string) uint16 {
	if b := r.take(2, field); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32(field string) uint32 {
	if b := r.take(4, field); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64(field string) uint64 {
	if b := r.take(8, field); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// flags reads a byte of which only the bits of known may be set.
func (r *reader) flags(field string, known byte) byte {
	v := r.uint8(field)
	if v&^known != 0 {
		r.failf(r.off-1, "%s: unknown bits in 0x%02x", field, v)
		return 0
	}
	return v
}

// text reads a string and returns it without its final zero byte.
func (r *reader) text(field string) []byte {
	n := bytes.IndexByte(r.data[r.off:], 0)
	if n < 0 {
		r.failf(r.off, "%s: no zero byte ends it", field)
		return nil
	}
	b := r.take(n, field)
	r.off++
	return b
}

// end fails where bytes are left over.
func (r *reader) end() {
	if left := len(r.data) - r.off; left > 0 {
		r.failf(r.off, "%d bytes left over after its end", left)
	}
}
