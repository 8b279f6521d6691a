package setup

import (
	"fmt"
	"strings"

	"changefeed/cdc"
)

// examineTable judges a routed table: its kind, its columns, the role's
// privileges on it, and its replica identity.
func (x *examiner) examineTable(route *cdc.Table) {
	t := x.catalog.table(route)
	subject := subjectOf(route)
	if !x.settingUp && x.late(route) {
		return // what would stand against publishing it does not stand against publishing the others
	}
	if !x.examineKind(subject, t) {
		return
	}
	x.examineColumns(subject, route, t)
	x.examineParentID(subject, route, t)
	if !t.part() { // whoever may read the whole may read its parts
		x.examinePrivileges(subject, route, t)
	}
	if d, ok := x.identities[route.Name]; ok && d.finding != nil {
		x.findings = append(x.findings, *d.finding)
	}
	for _, ix := range t.indexes {
		if ix.builder != 0 && isIdentityIndex(t, ix.name) {
			x.add(Refuse, subject, fmt.Sprintf("process %d of the server is building the index %s", ix.builder, ix.name),
				Remedy{Text: "wait until it is done: SELECT * FROM pg_stat_progress_create_index"})
		}
	}
	x.examineParts(subject, t)
	if t.partition && !t.part() {
		x.add(Info, subject, "it is a partition: further partitions need routes of their own")
	}
}

// examineKind reports whether the relation is there and can be published.
func (x *examiner) examineKind(subject string, t *catalogTable) bool {
	switch {
	case !t.schema:
		x.add(Refuse, subject, "schema "+cdc.QuoteIdent(t.name.Schema)+" does not exist", x.nearestTables(t.name))
		return false
	case t.oid == 0:
		x.add(Refuse, subject, "it does not exist", x.nearestTables(t.name))
		return false
	case t.kind != 'r' && t.kind != 'p':
		kind, remedy := kindOf(t.kind)
		x.add(Refuse, subject, "it is "+kind+", which has no rows of its own in the write-ahead log", Remedy{Text: remedy})
		return false
	case t.persistence != 'p':
		x.add(Refuse, subject, "it is not logged",
			Remedy{Text: "log it, which rewrites the table under a lock", SQL: []string{"ALTER TABLE " + t.name.SQL() + " SET LOGGED"}})
		return false
	default:
		return true
	}
}

func kindOf(relkind rune) (kind, remedy string) {
	switch relkind {
	case 'v':
		return "a view", "route the tables that it reads"
	case 'm':
		return "a materialized view", "route the tables that it reads"
	case 'f':
		return "a foreign table", "publish it as a table of a source of its own, from the server that holds it"
	default:
		return "no table", "name a table"
	}
}

func (x *examiner) nearestTables(name cdc.TableName) Remedy {
	var candidates []string
	for _, other := range x.catalog.others {
		candidates = append(candidates, other.SQL())
	}
	near := nearest(name.SQL(), candidates)
	if len(near) == 0 {
		return Remedy{Text: "create it, or correct the name in tables (public unless it says schema.table; quoted as in SQL where it is not in lower case)"}
	}
	return Remedy{Text: "correct the name in tables: is it " + strings.Join(near, " or ") + "?"}
}

// examineColumns judges the columns that a route reads.
func (x *examiner) examineColumns(subject string, route *cdc.Table, t *catalogTable) {
	for _, use := range columnUses(route) {
		c := t.column(use.column)
		switch {
		case c == nil:
			near := nearest(use.column, t.columnNames())
			text := fmt.Sprintf("correct %s: the table has %s", use.key, abridged(t.columnNames()))
			if len(near) > 0 {
				text = fmt.Sprintf("correct %s: is it %s?", use.key, strings.Join(near, " or "))
			}
			x.add(Refuse, subject, fmt.Sprintf("column %s, which %s names, does not exist", use.column, use.key), Remedy{Text: text})
		case c.generated:
			x.add(Refuse, subject, fmt.Sprintf("column %s, which %s names, is generated: its values are not published", use.column, use.key),
				Remedy{Text: "correct " + use.key + ": name a column that is stored as it was written"})
		case use.key == "deleted.column" && route.Deleted.Bit != 0 && !integers[c.typ]:
			x.add(Refuse, subject, fmt.Sprintf("column %s is %s: deleted.bit wants an integer", use.column, c.typ),
				Remedy{Text: "use is: instead of bit:, or name an integer column"})
		}
	}
}

// examineParentID compares a satellite's columns with those of its parent's id:
// they are compared as text, in which types can differ.
func (x *examiner) examineParentID(subject string, route *cdc.Table, t *catalogTable) {
	parentRoute := x.cfg.Table(route.Parent)
	if parentRoute == nil {
		return
	}
	parent := x.catalog.table(parentRoute)
	if !parent.exists() && !parent.partitioned() {
		return
	}
	for i, name := range route.DocumentID[:min(len(route.DocumentID), len(parentRoute.DocumentID))] {
		mine, theirs := t.column(name), parent.column(parentRoute.DocumentID[i])
		if mine != nil && theirs != nil && printed(mine.typ) != printed(theirs.typ) {
			x.add(Warn, subject, fmt.Sprintf("its %s is %s, %s of its parent %s is %s: the two are compared as text, and may never be alike",
				mine.name, mine.typ, theirs.name, route.Parent.SQL(), theirs.typ),
				Remedy{Text: "give both columns one type"})
		}
	}
}

// printed names how values of a type are written, by one of those that are
// written alike.
func printed(typ string) string {
	switch {
	case integers[typ]:
		return "integer"
	case typ == "character varying":
		return "text"
	default:
		return typ
	}
}

var integers = map[string]bool{"smallint": true, "integer": true, "bigint": true}

// columnUse is a place of a route that names a column.
type columnUse struct{ key, column string }

func columnUses(t *cdc.Table) []columnUse {
	var uses []columnUse
	for _, name := range t.DocumentID {
		uses = append(uses, columnUse{"document_id", name})
	}
	for _, use := range []columnUse{
		{"domain.column", t.Domain.Column},
		{"document_type.column", t.DocumentType.Column},
		{"document_subtype.column", t.DocumentSubtype.Column},
		{"deleted.column", t.Deleted.Column},
	} {
		if use.column != "" {
			uses = append(uses, use)
		}
	}
	return uses
}

// examinePrivileges judges whether the role may read what the route reads, which
// lookups and document stores do.
func (x *examiner) examinePrivileges(subject string, route *cdc.Table, t *catalogTable) {
	role := cdc.QuoteIdent(x.catalog.server.role)
	if !t.usage {
		x.add(Refuse, subject, "role "+role+" may not use its schema", Remedy{
			Text: "as the schema's owner",
			SQL:  []string{"GRANT USAGE ON SCHEMA " + cdc.QuoteIdent(t.name.Schema) + " TO " + role},
		})
	}
	var unreadable []string
	for _, name := range route.Columns() {
		if c := t.column(name); c != nil && !c.readable {
			unreadable = append(unreadable, name)
		}
	}
	if len(unreadable) > 0 {
		x.add(Refuse, subject, "role "+role+" may not read "+sentence(unreadable), Remedy{
			Text: "as the table's owner (a document store of the table reads all of its columns: leave the list out for that)",
			SQL:  []string{fmt.Sprintf("GRANT SELECT (%s) ON %s TO %s", cdc.QuoteIdents(unreadable), t.name.SQL(), role)},
		})
	}
}
