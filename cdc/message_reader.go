package cdc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"changefeed"
)

// messageReader reads JSON whose shape is known: objects of strings, booleans
// and nulls. What is of another shape is refused where it begins, so that nothing
// of it has to be understood.
type messageReader struct {
	text []byte // UTF-8
	at   int    // the first byte that has not been read
}

// endOfText is what peek returns there: no text of JSON holds it.
const endOfText = 0

var errNotJSON = errors.New("it is not JSON")

// peek returns the next byte that is not white space.
func (r *messageReader) peek() byte {
	for ; r.at < len(r.text); r.at++ {
		switch b := r.text[r.at]; b {
		case ' ', '\t', '\n', '\r':
		case endOfText:
			return 0xFF // no text of JSON holds that either
		default:
			return b
		}
	}
	return endOfText
}

// take reads the next byte that is not white space, if it is b.
func (r *messageReader) take(b byte) bool {
	if r.peek() != b {
		return false
	}
	r.at++
	return true
}

// word reads a word of JSON, such as null, if it is the next.
func (r *messageReader) word(word string) bool {
	r.peek()
	end := r.at + len(word)
	if end > len(r.text) || string(r.text[r.at:end]) != word {
		return false
	}
	r.at = end
	return true
}

// object reads an object and calls member after each name, to read the value.
func (r *messageReader) object(what string, member func(name string) error) error {
	if !r.take('{') {
		return fmt.Errorf("%s is not an object", what)
	}
	var names [8]string // no object that is known has more
	seen := names[:0]
	for more := !r.take('}'); more; {
		name, err := r.string()
		if err != nil || !r.take(':') {
			return errNotJSON
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("%s is there twice", quoted(name))
		}
		seen = append(seen, name)
		if err := member(name); err != nil {
			return err
		}
		if more = r.take(','); !more && !r.take('}') {
			return errNotJSON
		}
	}
	return nil
}

// string reads a string.
func (r *messageReader) string() (string, error) {
	if !r.take('"') {
		return "", errNotJSON
	}
	start, escaped := r.at, false
	for ; r.at < len(r.text); r.at++ {
		switch b := r.text[r.at]; {
		case b == '\\':
			escaped = true
			r.at++
		case b < ' ':
			return "", errNotJSON
		case b == '"':
			r.at++
			if !escaped {
				return string(r.text[start : r.at-1]), nil
			}
			var s string
			if json.Unmarshal(r.text[start-1:r.at], &s) != nil {
				return "", errNotJSON
			}
			return s, nil
		}
	}
	return "", errNotJSON
}

// value reads a string or null. A zero byte is refused: no text of PostgreSQL has
// one.
func (r *messageReader) value(what string) (changefeed.Text, error) {
	switch {
	case r.word("null"):
		return changefeed.Text{}, nil
	case r.peek() != '"':
		return changefeed.Text{}, fmt.Errorf("%s is not a string or null", what)
	}
	s, err := r.string()
	switch {
	case err != nil:
		return changefeed.Text{}, err
	case strings.IndexByte(s, 0) >= 0:
		return changefeed.Text{}, fmt.Errorf("%s holds a zero byte", what)
	}
	return changefeed.NewText(s), nil
}

// name reads a string, empty for null.
func (r *messageReader) name(what string) (string, error) {
	t, err := r.value(what)
	return t.String, err
}

// flag reads a boolean. Null is false.
func (r *messageReader) flag(what string) (bool, error) {
	switch {
	case r.word("true"):
		return true, nil
	case r.word("false"), r.word("null"):
		return false, nil
	default:
		return false, fmt.Errorf("%s is not true or false", what)
	}
}
