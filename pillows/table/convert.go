package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	stringValue kind = iota
	numberValue
	booleanValue
	compositeValue // an object or a list
)

// value is one value of a document, not null.
type value struct {
	kind kind
	raw  []byte // as JSON; nil for a document's id, which is a string
	text []byte // the characters of a string; otherwise as raw
}

// newValue takes a JSON value that is not null.
func newValue(raw []byte) (value, error) {
	switch raw[0] {
	case '"':
		text, err := unquote(raw)
		return value{kind: stringValue, raw: raw, text: text}, err
	case '{', '[':
		return value{kind: compositeValue, raw: raw, text: raw}, nil
	case 't', 'f':
		return value{kind: booleanValue, raw: raw, text: raw}, nil
	default:
		return value{kind: numberValue, raw: raw, text: raw}, nil
	}
}

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func convertText(v value) ([]byte, error) {
	if v.kind != compositeValue {
		return v.text, nil
	}
	if !utf8.Valid(v.raw) {
		return nil, errUTF8
	}
	var compact bytes.Buffer
	compact.Grow(len(v.raw))
	if err := json.Compact(&compact, v.raw); err != nil {
		return nil, fmt.Errorf("compact JSON: %w", err)
	}
	return compact.Bytes(), nil
}

func convertBoolean(v value) ([]byte, error) {
	if v.kind != numberValue && (string(v.text) == "true" || string(v.text) == "false") {
		return v.text, nil
	}
	return nil, errors.New(`want true, false, "true" or "false"`)
}

func convertJSONB(v value) ([]byte, error) {
	if err := checkEscapes(v.raw); err != nil {
		return nil, err
	}
	return v.raw, nil
}

// uuidShape is a UUID with every digit 0.
const uuidShape = "00000000-0000-0000-0000-000000000000"

func convertUUID(v value) ([]byte, error) {
	if v.kind != stringValue || len(v.text) != len(uuidShape) {
		return nil, errUUID
	}
	for i, b := range v.text {
		if _, hex := hexDigit(b); hex != (uuidShape[i] == '0') || !hex && b != '-' {
			return nil, errUUID
		}
	}
	return v.text, nil
}

var errUUID = errors.New(`want a string such as "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`)

func isCanonicalUUID(text []byte) bool { return !bytes.ContainsAny(text, "ABCDEF") }

// maxExcerpt bounds the characters of a value in an error.
const maxExcerpt = 100

// excerpt shows a value in an error, as JSON.
func excerpt(raw []byte) string {
	if len(raw) > 4*maxExcerpt {
		raw = raw[:4*maxExcerpt]
	}
	text := strings.ToValidUTF8(string(raw), "\ufffd")
	for i := range text {
		if utf8.RuneCountInString(text[:i]) == maxExcerpt {
			return text[:i] + "…"
		}
	}
	return text
}

// conversionError says which value of a document is not one of its column's type.
func conversionError(c *column, raw []byte, reason error) error {
	return fmt.Errorf("column %q (path %s): %s does not convert to %s: %w; correct the document, or the type of the column in the configuration and in the table", c.Name, c.Path, excerpt(raw), c.kind.name, reason)
}
