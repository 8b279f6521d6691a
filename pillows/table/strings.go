package table

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// What JSON can say in a string and PostgreSQL cannot store.
var (
	errNUL       = errors.New(`it holds \u0000, which PostgreSQL cannot store`)
	errSurrogate = errors.New(`it holds half of a surrogate pair (\ud800 to \udfff), which is no character`)
	errUTF8      = errors.New("it is not UTF-8")
)

// unquote returns the characters of a JSON string, which is known to be one.
// The result is part of quoted where nothing in it is escaped.
func unquote(quoted []byte) ([]byte, error) {
	text := quoted[1 : len(quoted)-1]
	if !utf8.Valid(text) {
		return nil, errUTF8
	}
	at := bytes.IndexByte(text, '\\')
	if at < 0 {
		return text, nil
	}
	plain := make([]byte, 0, len(text))
	for at >= 0 {
		plain = append(plain, text[:at]...)
		char, size, err := unescape(text[at:])
		if err != nil {
			return nil, err
		}
		plain = utf8.AppendRune(plain, char)
		text = text[at+size:]
		at = bytes.IndexByte(text, '\\')
	}
	return append(plain, text...), nil
}

// unescape reads the escape that text starts with, a surrogate pair as one, and
// returns its size in bytes.
func unescape(text []byte) (char rune, size int, err error) {
	switch b := text[1]; b {
	case 'u':
		return unescapeUnicode(text)
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	default:
		return rune(b), 2, nil
	}
}

const unicodeSize = len(`\u0000`)

func unescapeUnicode(text []byte) (char rune, size int, err error) {
	char = codeUnit(text)
	switch {
	case char == 0:
		return 0, 0, errNUL
	case !utf16.IsSurrogate(char):
		return char, unicodeSize, nil
	}
	pair := text[unicodeSize:]
	if len(pair) < unicodeSize || pair[0] != '\\' || pair[1] != 'u' {
		return 0, 0, errSurrogate
	}
	if char = utf16.DecodeRune(char, codeUnit(pair)); char == utf8.RuneError {
		return 0, 0, errSurrogate
	}
	return char, 2 * unicodeSize, nil
}

// codeUnit returns the number in an escape such as \u00e9.
func codeUnit(escape []byte) rune {
	var unit rune
	for _, b := range escape[2:unicodeSize] {
		digit, _ := hexDigit(b)
		unit = unit<<4 | rune(digit)
	}
	return unit
}

// checkEscapes finds what PostgreSQL cannot store in any string of a JSON value.
func checkEscapes(raw []byte) error {
	if !utf8.Valid(raw) {
		return errUTF8
	}
	for at := bytes.IndexByte(raw, '\\'); at >= 0; at = bytes.IndexByte(raw, '\\') {
		_, size, err := unescape(raw[at:])
		if err != nil {
			return err
		}
		raw = raw[at+size:]
	}
	return nil
}

func hexDigit(b byte) (digit byte, ok bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	default:
		return 0, false
	}
}
