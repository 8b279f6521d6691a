package cdc

import (
	"errors"
	"fmt"
	"strings"
)

// TableName names a table as the catalogue does: no quotes, case as it is.
type TableName struct{ Schema, Name string }

// String returns schema.name, unquoted, for people and for data source names.
func (t TableName) String() string { return t.Schema + "." + t.Name }

// SQL returns the name as SQL wants it, quoted where needed.
func (t TableName) SQL() string { return QuoteIdent(t.Schema) + "." + QuoteIdent(t.Name) }

// ParseTableName reads a name as SQL writes it: orders, public.orders,
// 'public."Mixed Case"'. Unquoted parts are folded to lower case; without a
// schema it is public.
func ParseTableName(text string) (TableName, error) {
	var parts []string
	for rest := text; ; {
		part, tail, err := cutIdent(rest)
		if err != nil {
			return TableName{}, fmt.Errorf("parse table name %q: %w", text, err)
		}
		parts = append(parts, part)
		if tail == "" {
			break
		}
		if tail[0] != '.' {
			return TableName{}, fmt.Errorf("parse table name %q: unexpected %q", text, tail)
		}
		rest = tail[1:]
	}
	switch len(parts) {
	case 1:
		return TableName{Schema: "public", Name: parts[0]}, nil
	case 2:
		return TableName{Schema: parts[0], Name: parts[1]}, nil
	default:
		return TableName{}, fmt.Errorf("parse table name %q: want schema.table", text)
	}
}

// cutIdent reads one identifier from the start of text.
func cutIdent(text string) (ident, tail string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, `."`)
		if end < 0 {
			end = len(text)
		}
		ident = strings.ToLower(text[:end])
		if strings.TrimSpace(ident) != ident || ident == "" {
			return "", "", errors.New("a part is empty or has blanks around it")
		}
		return ident, text[end:], nil
	}
	for at := 1; at < len(text); at++ {
		if text[at] != '"' {
			continue
		}
		if at+1 < len(text) && text[at+1] == '"' {
			at++
			continue
		}
		ident = strings.ReplaceAll(text[1:at], `""`, `"`)
		if ident == "" {
			return "", "", errors.New("a quoted part is empty")
		}
		return ident, text[at+1:], nil
	}
	return "", "", errors.New("a quote is not closed")
}

// QuoteIdent quotes an identifier for SQL where it needs quotes.
func QuoteIdent(name string) string {
	plain := name != ""
	for i, r := range name {
		plain = plain && (r >= 'a' && r <= 'z' || r == '_' || i > 0 && r >= '0' && r <= '9')
	}
	if plain && !reserved[name] {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// QuoteIdents quotes identifiers where they need quotes, and joins them as a list
// of columns.
func QuoteIdents(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = QuoteIdent(name)
	}
	return strings.Join(quoted, ", ")
}

// reserved are the key words that SQL does not take as a column's or a table's
// name without quotes.
var reserved = func() map[string]bool {
	words := make(map[string]bool)
	for word := range strings.FieldsSeq(`all analyse analyze and any array as asc asymmetric authorization
		binary both case cast check collate collation column concurrently constraint create cross
		current_catalog current_date current_role current_schema current_time current_timestamp current_user
		default deferrable desc distinct do else end except false fetch for foreign freeze from full grant
		group having ilike in initially inner intersect into is isnull join lateral leading left like limit
		localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing
		primary references returning right select session_user similar some symmetric system_user
		tablesample table then to trailing true union unique user using variadic verbose when where window with`) {
		words[word] = true
	}
	return words
}()
