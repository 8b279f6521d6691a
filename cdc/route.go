package cdc

import (
	"errors"
	"fmt"

	"changefeed/cdc/internal/pgoutput"
)

// maxAttributes is the number of columns that give fields of a change: domain,
// type, subtype, deletion.
const maxAttributes = 4

// route is a Table made ready for rows, as far as that is possible before a
// relation message has said where its columns are.
type route struct {
	table      *Table
	sourceName string // of the changes
	group      uint64 // routes with one topic and source name share documents: partitions, say
	operations Operations
	parent     *route // of a satellite
	lookup     ParentLookup
	message    *route // of its documents that only messages, or messages and satellites, have touched

	// rows is set in such a message route: the route of the table. foreign is set
	// in that of documents that are in no table of the source, of all data source
	// names: there may be any number of those, so the ids begin with them.
	rows    *route
	foreign bool

	// folds: there is one change for each document and transaction. Else each
	// row makes one.
	folds bool

	// attributes are the columns that give fields, each once. The fields below
	// are indexes in it, -1 for a field that no column gives.
	attributes []string
	domain     int
	docType    int
	docSubtype int
	deletion   int
	sourceType int // of message routes alone
}

// newRoutes prepares the tables of a valid configuration.
func newRoutes(cfg *Config, parents map[TableName]ParentLookup) (map[TableName]*route, error) {
	routes := make(map[TableName]*route, len(cfg.Tables))
	for i := range cfg.Tables {
		r := newRoute(cfg, i)
		r.lookup = parents[r.table.Name]
		routes[r.table.Name] = r
	}
	var faults []error
	for i := range cfg.Tables {
		t := &cfg.Tables[i]
		if !t.Satellite() {
			continue
		}
		parent := routes[t.Parent]
		routes[t.Name].parent = parent
		if parent.lookup == nil {
			faults = append(faults, fmt.Errorf("table %s: its parent %s has no lookup", t.Name, t.Parent))
		}
	}
	return routes, errors.Join(faults...)
}

// firstRoute returns the route of the first of some names that has one, or nil.
func firstRoute(routes map[TableName]*route, names []TableName) *route {
	for _, name := range names {
		if r := routes[name]; r != nil {
			return r
		}
	}
	return nil
}

func newRoute(cfg *Config, i int) *route {
	t := &cfg.Tables[i]
	r := &route{
		table:      t,
		sourceName: cfg.DataSourceName(t),
		group:      uint64(i),
		operations: t.operations(),
		folds:      t.operations() == AllOperations,
		sourceType: -1,
	}
	for j := range cfg.Tables[:i] {
		if other := &cfg.Tables[j]; !other.Satellite() && other.Topic == t.Topic && cfg.DataSourceName(other) == r.sourceName {
			r.group = uint64(j)
			break
		}
	}
	r.domain = r.attribute(t.Domain.Column)
	r.docType = r.attribute(t.DocumentType.Column)
	r.docSubtype = r.attribute(t.DocumentSubtype.Column)
	r.deletion = r.attribute(t.Deleted.Column)
	return r
}

// attribute returns the index of a column among the attributes.
func (r *route) attribute(column string) int {
	if column == "" {
		return -1
	}
	for i, have := range r.attributes {
		if have == column {
			return i
		}
	}
	r.attributes = append(r.attributes, column)
	return len(r.attributes) - 1
}

// reads returns the route of the table that has the route's documents.
func (r *route) reads() *route {
	if r.rows != nil {
		return r.rows
	}
	return r
}

// ordered reports whether documents have to be brought into the order of their
// routes.
func ordered(routes map[TableName]*route) bool {
	for _, r := range routes {
		if r.table.Order != 0 {
			return true
		}
	}
	return false
}

// relation is a route compiled against the columns of one relation message.
type relation struct {
	name  TableName
	route *route // nil: the table has none
	width int    // columns of a tuple
	id    []column
	keyed bool // all columns of id are in old tuples of every kind
	attrs []column

	saidNoID bool
}

// column is where a tuple has a column.
type column struct {
	name  string
	at    int
	keyed bool // it is part of the replica identity
}

// compileRelation finds the columns of a route in a relation. The error is a
// [*ColumnError] without a position.
func compileRelation(m *pgoutput.Relation, r *route) (*relation, error) {
	rel := &relation{name: relationName(m), route: r, width: len(m.Columns), keyed: true}
	if r == nil {
		return rel, nil
	}
	for _, name := range r.table.DocumentID {
		c, err := findColumn(m, r, name)
		if err != nil {
			return nil, err
		}
		rel.id = append(rel.id, c)
		rel.keyed = rel.keyed && c.keyed
	}
	for _, name := range r.attributes {
		c, err := findColumn(m, r, name)
		if err != nil {
			return nil, err
		}
		rel.attrs = append(rel.attrs, c)
	}
	return rel, nil
}

func findColumn(m *pgoutput.Relation, r *route, name string) (column, error) {
	for i := range m.Columns {
		if m.Columns[i].Name == name {
			return column{name: name, at: i, keyed: m.Columns[i].Key}, nil
		}
	}
	published := make([]string, len(m.Columns))
	for i := range m.Columns {
		published[i] = m.Columns[i].Name
	}
	return column{}, &ColumnError{Table: r.table.Name, Relation: relationName(m), Column: name, Published: published}
}

// relationName gives pg_catalog its name: on the wire it has none.
func relationName(m *pgoutput.Relation) TableName {
	if m.Namespace == "" {
		return TableName{Schema: "pg_catalog", Name: m.Name}
	}
	return TableName{Schema: m.Namespace, Name: m.Name}
}

// now returns the value of a column in a row as an insert or update left it. It
// is not known where it is stored out of line, the update did not touch it, and
// the old tuple does not have it either.
func (c *column) now(u *pgoutput.Update) (v pgoutput.Value, known bool) {
	if v = u.New[c.at]; v.Kind != pgoutput.ValueUnchanged {
		return v, true
	}
	return c.before(u.OldKind, u.Old)
}

// before returns the value of a column in an old tuple. It is not known where
// the tuple holds the replica identity only and the column is no part of it: its
// null there says nothing.
func (c *column) before(kind pgoutput.OldKind, old pgoutput.Tuple) (v pgoutput.Value, known bool) {
	if kind == pgoutput.OldNone || kind == pgoutput.OldKey && !c.keyed {
		return pgoutput.Value{}, false
	}
	v = old[c.at]
	return v, v.Kind != pgoutput.ValueUnchanged
}
