package changefeed

import "unicode/utf8"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, as everywhere in Go's JSON.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b >= utf8.RuneSelf:
			dst = append(dst, "\ufffd"...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&0xF])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// members walks the members of one JSON object. The text must be known to be
// valid JSON: the walk finds where values end and checks nothing else.
type members struct {
	text []byte
	at   int // the first byte not yet walked over
}

// next returns the raw name and value of the next member, and false at the end.
func (m *members) next() (name, value []byte, ok bool) {
	m.skip("{,")
	if m.text[m.at] == '}' {
		return nil, nil, false
	}
	name = m.value()
	m.skip(":")
	return name, m.value(), true
}

// skip moves over white space and at most one byte of punctuation.
func (m *members) skip(punctuation string) {
	m.space()
	for i := range len(punctuation) {
		if m.text[m.at] == punctuation[i] {
			m.at++
			m.space()
			return
		}
	}
}

func (m *members) space() {
	for isSpace(m.text[m.at]) {
		m.at++
	}
}

// value returns the value that starts here and moves to its end.
func (m *members) value() []byte {
	start, depth := m.at, 0
	for {
		switch b := m.text[m.at]; b {
		case '"':
			m.stringEnd()
		case '{', '[':
			depth++
			m.at++
		case '}', ']':
			depth--
			m.at++
		default:
			m.at++
			if depth == 0 {
				m.literalEnd()
			}
		}
		if depth == 0 {
			return m.text[start:m.at]
		}
	}
}

func (m *members) stringEnd() {
	for m.at++; m.text[m.at] != '"'; m.at++ {
		if m.text[m.at] == '\\' {
			m.at++
		}
	}
	m.at++
}

func (m *members) literalEnd() {
	for b := m.text[m.at]; !isSpace(b) && b != ',' && b != '}' && b != ']'; b = m.text[m.at] {
		m.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
