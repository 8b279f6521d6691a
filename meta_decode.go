package changefeed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// ErrMeta is wrapped by the errors of decoding a change's JSON.
var ErrMeta = errors.New("not a change")

// UnmarshalJSON reads the JSON object of a change. It is as lenient as is safe:
// only a missing id or source, text that is not JSON, and values that cannot
// mean anything in their field are errors, which wrap [ErrMeta]. Times that are
// absent or null are left zero. Strings that look like dates or numbers stay
// strings. The Meta keeps no reference to data.
func (m *Meta) UnmarshalJSON(data []byte) error {
	if !json.Valid(data) {
		var anything any
		return fmt.Errorf("decode change: %w: %w", ErrMeta, json.Unmarshal(data, &anything))
	}
	data = bytes.TrimSpace(data)
	if data[0] != '{' {
		return fmt.Errorf("decode change: %w: the value is not a JSON object", ErrMeta)
	}
	*m = Meta{}
	walk := members{text: data}
	for {
		name, value, ok := walk.next()
		if !ok {
			break
		}
		if err := m.set(name, value); err != nil {
			return fmt.Errorf("decode change: %w: field %s: %w", ErrMeta, name, err)
		}
	}
	if len(m.Unknown) > 0 {
		m.Unknown = append(m.Unknown, '}')
	}
	return m.complete()
}

// complete checks for the fields without which a change names nothing.
func (m *Meta) complete() error {
	var missing []error
	for _, field := range [...]struct{ name, value string }{
		{fieldDocumentID, m.DocumentID},
		{fieldDataSourceType, m.DataSourceType},
		{fieldDataSourceName, m.DataSourceName},
	} {
		if field.value == "" {
			missing = append(missing, fmt.Errorf("decode change: %w: field %q is missing, null or empty", ErrMeta, field.name))
		}
	}
	return errors.Join(missing...)
}

// set stores one member, given as raw JSON.
func (m *Meta) set(rawName, value []byte) (err error) {
	name := rawName[1 : len(rawName)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		plain, err := stringOf(rawName)
		if err != nil {
			return err
		}
		name = []byte(plain)
	}
	switch string(name) { // compared in place, without a copy
	case fieldDocumentID:
		m.DocumentID, err = requiredString(value)
	case fieldDocumentRev:
		m.DocumentRev, err = textOf(value)
	case fieldDataSourceType:
		m.DataSourceType, err = requiredString(value)
	case fieldDataSourceName:
		m.DataSourceName, err = requiredString(value)
	case fieldDocumentType:
		m.DocumentType, err = textOf(value)
	case fieldDocumentSubtype:
		m.DocumentSubtype, err = textOf(value)
	case fieldDomain:
		m.Domain, err = textOf(value)
	case fieldIsDeletion:
		m.IsDeletion, err = boolOf(value)
	case fieldPublishTimestamp:
		m.PublishTimestamp, err = timeOf(value)
	case fieldAttempts:
		m.Attempts, err = intOf(value)
	case fieldOriginalPublication:
		m.OriginalPublication, err = timeOf(value)
	case fieldAssociatedDocumentID:
		m.AssociatedDocumentID, err = textOf(value)
	default:
		m.keep(rawName, value)
	}
	return err
}

// keep remembers a member that this package does not know.
func (m *Meta) keep(name, value []byte) {
	separator := ", "
	if len(m.Unknown) == 0 {
		separator = "{"
	}
	m.Unknown = append(m.Unknown, separator...)
	m.Unknown = append(m.Unknown, name...)
	m.Unknown = append(m.Unknown, ": "...)
	m.Unknown = append(m.Unknown, value...)
}

func isNull(value []byte) bool { return value[0] == 'n' }

// stringOf reads a JSON string.
func stringOf(value []byte) (string, error) {
	plain := value[1 : len(value)-1]
	if bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), nil
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// textOf reads a string, null, or a number or boolean as its text: some fields
// are untyped in the contract, and old messages have numbers in them.
func textOf(value []byte) (Text, error) {
	switch value[0] {
	case 'n':
		return Text{}, nil
	case '"':
		s, err := stringOf(value)
		return NewText(s), err
	case '{', '[':
		return Text{}, errors.New("want a string or null, not an object or a list")
	default:
		return NewText(string(value)), nil
	}
}

func requiredString(value []byte) (string, error) {
	t, err := textOf(value)
	return t.String, err
}

func boolOf(value []byte) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false", "null":
		return false, nil
	default:
		return false, fmt.Errorf("want true, false or null, not %.40s", value)
	}
}

// intOf reads an integer. 1.0 counts as one; true, which some writers let
// through, as one too.
func intOf(value []byte) (int, error) {
	switch string(value) {
	case "null", "false":
		return 0, nil
	case "true":
		return 1, nil
	}
	if n, err := strconv.Atoi(string(value)); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return 0, fmt.Errorf("want an integer, not %.40s", value)
	}
	return int(f), nil
}

func timeOf(value []byte) (time.Time, error) {
	if isNull(value) {
		return time.Time{}, nil
	}
	if value[0] != '"' {
		return time.Time{}, fmt.Errorf("want a time in a string, not %.40s", value)
	}
	s, err := stringOf(value)
	if err != nil {
		return time.Time{}, err
	}
	return parseTime(s)
}
