package cdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"changefeed"
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

// Operations is a set of row operations.
type Operations uint8

// The operations of a route.
const (
	Insert Operations = 1 << iota
	Update
	Delete

	AllOperations = Insert | Update | Delete
)

var operationNames = [...]struct {
	op   Operations
	name string
}{{Insert, "insert"}, {Update, "update"}, {Delete, "delete"}}

// ParseOperations reads a list of insert, update and delete.
func ParseOperations(names []string) (Operations, error) {
	var ops Operations
	for _, name := range names {
		found := false
		for _, o := range operationNames {
			if o.name == name {
				ops |= o.op
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("operation %q: want insert, update or delete", name)
		}
	}
	return ops, nil
}

// Names returns the operations in the order insert, update, delete.
func (o Operations) Names() []string {
	var names []string
	for _, n := range operationNames {
		if o&n.op != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

func (o Operations) suffix() string { return strings.Join(o.Names(), "_") }

// Table is a route: how the rows of one table become changes.
type Table struct {
	Name TableName
	// Topic of the changes. Empty for a satellite, whose changes go to its
	// parent's topic.
	Topic string
	// DocumentID are the columns that make the document id, joined with "/". Of
	// a satellite they are the columns that hold the parent's id, in the order
	// of the parent's own.
	DocumentID []string
	// DataSourceName of the changes. Default: <source>/<schema>.<table>.
	DataSourceName string
	// DocumentType, DocumentSubtype and Domain of the changes. Not for satellites.
	DocumentType    Value
	DocumentSubtype Value
	Domain          Value
	// Deleted tells soft-deleted rows. Not for satellites.
	Deleted Condition
	// Operations that are published. Default: all.
	Operations Operations
	// Parent makes the table a satellite: a change of its rows is a change of
	// the parent's document. Zero otherwise.
	Parent TableName
}

// Satellite reports whether the table belongs to a parent's documents.
func (t *Table) Satellite() bool { return t.Parent != TableName{} }

func (t *Table) operations() Operations {
	if t.Operations == 0 {
		return AllOperations
	}
	return t.Operations
}

// Columns returns the names of the columns that the route reads, each once, the
// id first.
func (t *Table) Columns() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range t.DocumentID {
		add(name)
	}
	add(t.Domain.Column)
	add(t.DocumentType.Column)
	add(t.DocumentSubtype.Column)
	add(t.Deleted.Column)
	return names
}

func (t *Table) validate(all []Table) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("table %s: "+format, append([]any{t.Name}, args...)...))
	}
	if len(t.DocumentID) == 0 {
		fault("no document_id: name the columns that identify the document")
	}
	if !t.Satellite() {
		if err := changefeed.ValidateTopic(t.Topic); err != nil {
			fault("topic: %w", err)
		}
		if err := t.Deleted.validate(); err != nil {
			fault("deleted: %w", err)
		}
		return errors.Join(faults...)
	}
	if t.Topic != "" || !t.DocumentType.IsZero() || !t.DocumentSubtype.IsZero() || !t.Domain.IsZero() || t.Deleted.Column != "" {
		fault("a table with a parent takes topic, types, domain and deletion from the parent: remove them here")
	}
	parent := findTable(all, t.Parent)
	switch {
	case parent == nil:
		fault("its parent %s is not among the tables of the source", t.Parent)
	case parent.Satellite():
		fault("its parent %s has a parent itself: name the topmost table", t.Parent)
	case parent.operations() != AllOperations:
		fault("its parent %s leaves out operations: such a route makes one record a row and has no satellites", t.Parent)
	case len(parent.DocumentID) != len(t.DocumentID):
		fault("document_id has %d columns, its parent's has %d", len(t.DocumentID), len(parent.DocumentID))
	}
	return errors.Join(faults...)
}

func findTable(all []Table, name TableName) *Table {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}
