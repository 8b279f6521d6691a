package cdc

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// change takes the row in a.row.
func (a *assembler) change(ctx context.Context, op Operations) error {
	rel, err := a.announced()
	if err != nil {
		return err
	}
	a.counters.rows.Add(1)
	if rel.route == nil || rel.route.operations&op == 0 {
		a.counters.ignored.Add(1)
		return nil
	}
	if op == Delete {
		err = a.deleted(rel)
	} else {
		err = a.saved(rel)
	}
	if err != nil {
		return a.located(err)
	}
	return a.cut(ctx)
}

// announced returns the relation of the row, whose tuples fit it.
func (a *assembler) announced() (*relation, error) {
	rel := a.relations[a.row.RelationID]
	switch {
	case !a.tx.open:
		return nil, fmt.Errorf("%w: row of relation %d outside a transaction", ErrProtocol, a.row.RelationID)
	case rel == nil:
		return nil, fmt.Errorf("%w: row of relation %d, which was not announced", ErrProtocol, a.row.RelationID)
	}
	for _, tuple := range [...]pgoutput.Tuple{a.row.Old, a.row.New} {
		if tuple != nil && len(tuple) != rel.width {
			return nil, fmt.Errorf("%w: row of %s has %d columns, %d were announced", ErrProtocol, rel.name, len(tuple), rel.width)
		}
	}
	return rel, nil
}

// saved takes an insert or an update.
func (a *assembler) saved(rel *relation) error {
	r := rel.route
	var ok bool
	var err error
	if a.id, ok, err = a.appendNewID(a.id[:0], rel); err != nil {
		return err
	}
	if err := a.leaves(rel); err != nil {
		return err
	}
	if !ok {
		a.withoutDocument(rel)
		return nil
	}
	if r.parent != nil {
		a.touchParent(r.parent, a.id)
		return nil
	}
	return a.setValues(a.touch(r, a.id), rel)
}

// touch returns the document of a row. One that is first touched after a
// suppress message yields nothing; one that is published anyway is published as
// its rows leave it.
func (a *assembler) touch(r *route, id []byte) *document {
	doc, isNew := a.docs.touch(r, id)
	if isNew {
		doc.suppressed = a.tx.suppressed
	}
	return doc
}

// touchParent takes a satellite's row, which says only that its parent's document
// has changed: the values come from the parent's own row, in the transaction or
// looked up.
func (a *assembler) touchParent(parent *route, id []byte) {
	doc := a.touch(parent, id)
	if doc.hasRow || a.tx.suppressed && !doc.suppressed {
		return
	}
	doc.lookup = true
	if doc.route.rows != nil {
		doc.route = parent.message // what a message gave is kept for the case that the parent is gone
	}
}

// leaves takes what an update says of the document that the row belonged to
// before: with another id, that document is deleted, or its parent has lost a
// satellite.
func (a *assembler) leaves(rel *relation) error {
	if a.row.OldKind == pgoutput.OldNone || a.row.OldKind == pgoutput.OldKey && !rel.keyed {
		return nil
	}
	if rel.route.parent == nil && rel.route.operations&Delete == 0 {
		return nil
	}
	var ok bool
	var err error
	if a.oldID, ok, err = a.appendOldID(a.oldID[:0], rel); err != nil || !ok || bytes.Equal(a.id, a.oldID) {
		return err
	}
	return a.removed(rel, a.oldID)
}

// deleted takes a delete.
func (a *assembler) deleted(rel *relation) error {
	var ok bool
	var err error
	if a.oldID, ok, err = a.appendOldID(a.oldID[:0], rel); err != nil {
		return err
	}
	if !ok {
		a.withoutDocument(rel)
		return nil
	}
	return a.removed(rel, a.oldID)
}

// withoutDocument counts a row that belongs to no document. That is usual for a
// satellite alone.
func (a *assembler) withoutDocument(rel *relation) {
	a.counters.withoutDocument.Add(1)
	if rel.route.parent == nil && !rel.saidNoID {
		rel.saidNoID = true
		a.log.Warn("rows without a document id are not published: make the columns of document_id NOT NULL and not empty, or choose others",
			"table", rel.name.SQL(), "columns", rel.route.table.DocumentID, "lsn", pglogrepl.LSN(a.tx.lsn).String())
	}
}

// removed takes the end of a row, or of its belonging to a document. Of a
// deletion only what the old tuple carries is known.
func (a *assembler) removed(rel *relation, id []byte) error {
	if rel.route.parent != nil {
		a.touchParent(rel.route.parent, id)
		return nil
	}
	doc := a.touch(rel.route, id)
	doc.route, doc.hasRow, doc.deleted, doc.lookup = rel.route, true, true, false
	for i := range rel.attrs {
		v, known := rel.attrs[i].before(a.row.OldKind, a.row.Old)
		if err := a.setValue(doc, i, v, known); err != nil {
			return err
		}
	}
	return nil
}

// setValues takes the values of a document from its row.
func (a *assembler) setValues(doc *document, rel *relation) error {
	doc.route, doc.hasRow, doc.deleted, doc.lookup = rel.route, true, false, false
	for i := range rel.attrs {
		v, known := rel.attrs[i].now(&a.row)
		if !known {
			if rel.route.lookup == nil {
				return &UnsentError{Table: rel.route.table.Name, Relation: rel.name, Column: rel.attrs[i].name}
			}
			doc.lookup = true
		}
		if err := a.setValue(doc, i, v, known); err != nil {
			return err
		}
		if i == rel.route.deletion && known {
			if err := a.checkDeletion(rel, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDeletion finds a column that a rule about bits cannot be applied to. The
// publishing stage would find it too, but after what comes before in the log had
// been given up.
func (a *assembler) checkDeletion(rel *relation, v pgoutput.Value) error {
	rule := &rel.route.table.Deleted
	if rule.Bit == 0 || v.Kind == pgoutput.ValueNull {
		return nil
	}
	if _, err := rule.Holds(changefeed.NewText(string(v.Data))); err != nil {
		return fmt.Errorf("route %s at %s: deleted: %w: choose an integer column, or another rule", rel.route.table.Name, pglogrepl.LSN(a.tx.lsn), err)
	}
	return nil
}

func (a *assembler) setValue(doc *document, i int, v pgoutput.Value, known bool) error {
	switch {
	case !known:
		doc.values[i] = span{length: spanUnknown}
	case v.Kind == pgoutput.ValueNull:
		doc.values[i] = span{length: spanNull}
	case v.Kind == pgoutput.ValueText:
		a.docs.text, doc.values[i] = appendSpan(a.docs.text, v.Data)
		a.tx.bytes += len(v.Data)
	default:
		return fmt.Errorf("%w: a value of table %s is not in text form", ErrProtocol, doc.route.table.Name)
	}
	return nil
}

// appendNewID appends the id of the document that the row belongs to now. ok is
// false where it belongs to none.
func (a *assembler) appendNewID(dst []byte, rel *relation) (id []byte, ok bool, err error) {
	for i := range rel.id {
		c := &rel.id[i]
		v, known := c.now(&a.row)
		if !known {
			return dst[:0], false, &UnsentError{Table: rel.route.table.Name, Relation: rel.name, Column: c.name}
		}
		if dst, ok, err = a.appendIDPart(dst, rel, i, v); !ok {
			return dst[:0], false, err
		}
	}
	return dst, len(dst) > 0, nil
}

// appendOldID appends the id of the document that the row belonged to.
func (a *assembler) appendOldID(dst []byte, rel *relation) (id []byte, ok bool, err error) {
	for i := range rel.id {
		v, known := rel.id[i].before(a.row.OldKind, a.row.Old)
		if !known {
			return dst, false, &IdentityError{Table: rel.route.table.Name, Relation: rel.name, Columns: rel.route.table.DocumentID}
		}
		if dst, ok, err = a.appendIDPart(dst, rel, i, v); !ok {
			return dst, false, err
		}
	}
	return dst, len(dst) > 0, nil
}

// appendIDPart appends part i of an id. A null names no document: alone, and in
// a satellite, where it is a reference to nothing. Among other columns of a row
// that is a document itself it is an empty part.
func (a *assembler) appendIDPart(dst []byte, rel *relation, i int, v pgoutput.Value) (id []byte, ok bool, err error) {
	joined := len(rel.id) > 1
	if i > 0 {
		dst = append(dst, '/')
	}
	switch {
	case v.Kind == pgoutput.ValueNull:
		return dst, joined && rel.route.parent == nil, nil
	case v.Kind != pgoutput.ValueText:
		return dst, false, fmt.Errorf("%w: a value of table %s is not in text form", ErrProtocol, rel.name)
	}
	a.tx.bytes += len(v.Data)
	if joined {
		return changefeed.AppendIDPart(dst, v.Data), true, nil
	}
	return append(dst, v.Data...), true, nil
}
