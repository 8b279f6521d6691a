package table

import (
	"errors"
	"fmt"
)

// scanner walks over one JSON text once. It checks all of it, also what it only
// passes over, and hands out the values that the nodes on its way ask for. The
// body is read this way, and not decoded, because decoding allocates for every
// member and a report asks for few of them.
type scanner struct {
	text  []byte
	at    int // the first byte not yet walked over
	depth int // of objects and lists that are open
	// values are the results by column: parts of text, nil where missing.
	values [][]byte
}

// maxDepth is the deepest nesting that is followed, as in encoding/json.
const maxDepth = 10000

var errNotObject = errors.New("the document's body is not a JSON object")

// document walks over the whole text, which must be one object.
func (s *scanner) document(root *node) error {
	s.space()
	if s.peek() != '{' {
		return errNotObject
	}
	if err := s.object(root); err != nil {
		return err
	}
	s.space()
	if s.at < len(s.text) {
		return s.unexpected()
	}
	return nil
}

// peek returns the next byte, and 0, which is no part of JSON, at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) unexpected() error {
	if s.at >= len(s.text) {
		return errors.New("the document's body is not JSON: it ends too early")
	}
	return fmt.Errorf("the document's body is not JSON: unexpected %q at byte %d", s.text[s.at], s.at)
}

// value walks over the value that starts here. n, unless nil, is what is asked
// for at this place.
func (s *scanner) value(n *node) error {
	start := s.at
	var err error
	switch b := s.peek(); {
	case b == '"':
		err = s.string()
	case b == '{':
		err = s.object(n)
	case b == '[':
		err = s.list(n)
	case b == '-' || b >= '0' && b <= '9':
		err = s.number()
	case b == 't':
		err = s.literal("true")
	case b == 'f':
		err = s.literal("false")
	default:
		err = s.literal("null")
	}
	if err != nil || n == nil {
		return err
	}
	for _, column := range n.columns {
		s.values[column] = s.text[start:s.at]
	}
	return nil
}

func (s *scanner) object(n *node) error {
	if err := s.open(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.close()
		return nil
	}
	for {
		start := s.at
		if s.peek() != '"' {
			return s.unexpected()
		}
		if err := s.string(); err != nil {
			return err
		}
		child := n.member(s.text[start:s.at])
		s.space()
		if s.peek() != ':' {
			return s.unexpected()
		}
		s.at++
		s.space()
		child.clear(s.values)
		if err := s.value(child); err != nil {
			return err
		}
		if more, err := s.next('}'); !more {
			return err
		}
	}
}

func (s *scanner) list(n *node) error {
	if err := s.open(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.close()
		return nil
	}
	for i := 0; ; i++ {
		if err := s.value(n.element(i)); err != nil {
			return err
		}
		if more, err := s.next(']'); !more {
			return err
		}
	}
}

// open enters an object or list.
func (s *scanner) open() error {
	s.depth++
	if s.depth > maxDepth {
		return fmt.Errorf("the document's body is nested more than %d deep", maxDepth)
	}
	s.at++
	s.space()
	return nil
}

// close leaves it.
func (s *scanner) close() {
	s.depth--
	s.at++
}

// next moves to the next member or element, or closes the object or list.
func (s *scanner) next(end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.at++
		s.space()
		return true, nil
	case end:
		s.close()
		return false, nil
	default:
		return false, s.unexpected()
	}
}

func (s *scanner) literal(want string) error {
	for i := range len(want) {
		if s.peek() != want[i] {
			return s.unexpected()
		}
		s.at++
	}
	return nil
}

func (s *scanner) string() error {
	for s.at++; ; {
		s.plain()
		switch s.peek() {
		case '"':
			s.at++
			return nil
		case '\\':
			if err := s.escape(); err != nil {
				return err
			}
		default:
			return s.unexpected()
		}
	}
}

// plain walks over the bytes of a string that stand for themselves.
func (s *scanner) plain() {
	for i, b := range s.text[s.at:] {
		if b == '"' || b == '\\' || b < ' ' {
			s.at += i
			return
		}
	}
	s.at = len(s.text)
}

func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			if _, ok := hexDigit(s.peek()); !ok {
				return s.unexpected()
			}
			s.at++
		}
		return nil
	default:
		return s.unexpected()
	}
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if b := s.peek(); b != 'e' && b != 'E' {
		return nil
	}
	s.at++
	if b := s.peek(); b == '+' || b == '-' {
		s.at++
	}
	return s.digits()
}

// digits walks over one digit or more.
func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.unexpected()
	}
	for isDigit(s.peek()) {
		s.at++
	}
	return nil
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
