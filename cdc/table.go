package cdc

import (
	"errors"
	"fmt"
	"slices"

	"changefeed"
)

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
	// Order says which documents of a transaction come first: those with the
	// lower one. Positions depend on it. Tables with one topic have one order.
	// Not for satellites, whose documents are their parent's.
	Order int
}

// Satellite reports whether the table belongs to a parent's documents.
func (t *Table) Satellite() bool { return t.Parent != TableName{} }

// Publishes reports whether the route publishes any of these operations.
func (t *Table) Publishes(ops Operations) bool { return t.operations()&ops != 0 }

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
	if t.Topic != "" || !t.DocumentType.IsZero() || !t.DocumentSubtype.IsZero() || !t.Domain.IsZero() || t.Deleted.Column != "" || t.Order != 0 {
		fault("a table with a parent takes topic, types, domain, deletion and order from the parent: remove them here")
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
