package changefeed

import (
	"fmt"
	"strings"
)

// A document id made of several columns joins them with "/". Within a part "/"
// is written %2F and "%" is written %25, so that the parts can be told apart
// again. An id made of one column is that column's text, unchanged.

// AppendIDPart appends one part of a joined id, escaped.
func AppendIDPart[T string | []byte](dst []byte, part T) []byte {
	for i := range len(part) {
		switch b := part[i]; b {
		case '/':
			dst = append(dst, "%2F"...)
		case '%':
			dst = append(dst, "%25"...)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// JoinID returns the id made of parts.
func JoinID(parts ...string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var id []byte
	for i, part := range parts {
		if i > 0 {
			id = append(id, '/')
		}
		id = AppendIDPart(id, part)
	}
	return string(id)
}

var unescapeID = strings.NewReplacer("%2F", "/", "%25", "%")

// SplitID takes an id of n parts apart again.
func SplitID(id string, n int) ([]string, error) {
	if n == 1 {
		return []string{id}, nil
	}
	parts := strings.Split(id, "/")
	if len(parts) != n {
		return nil, fmt.Errorf("split document id %q: it has %d parts, want %d", id, len(parts), n)
	}
	for i, part := range parts {
		parts[i] = unescapeID.Replace(part)
	}
	return parts, nil
}
