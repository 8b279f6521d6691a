package table

import "encoding/binary"

const (
	textOID      = 25
	textArrayOID = 1009
)

// textArray returns the binary form of a text[] of n values, nil being NULL.
func textArray(n int, value func(i int) []byte) []byte {
	const header, length = 20, 4
	size, nulls := header, uint32(0)
	for i := range n {
		v := value(i)
		size += length + len(v)
		if v == nil {
			nulls = 1
		}
	}
	dst := make([]byte, 0, size)
	for _, field := range [...]uint32{1, nulls, textOID, uint32(n), 1} { // dimensions, …, length, first index
		dst = binary.BigEndian.AppendUint32(dst, field)
	}
	for i := range n {
		v := value(i)
		if v == nil {
			dst = binary.BigEndian.AppendUint32(dst, ^uint32(0))
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}
