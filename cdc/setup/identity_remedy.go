package setup

import (
	"fmt"
	"slices"
	"strings"

	"changefeed/cdc"
)

// The remedies for what is wrong with a replica identity. Everything that they
// propose keeps the application's updates and deletions working at each moment:
// publications come to hold the columns before the identity does.

// refuseNull are the ways out for ids that can be null.
func (d *identityDecider) refuseNull(nullable []string) []Remedy {
	return slices.Concat([]Remedy{notNull(d.table, nullable)}, d.toFull(), []Remedy{d.leaveOut()})
}

// refuseNoKey are the ways out for a table without a key.
func (d *identityDecider) refuseNoKey() []Remedy {
	var remedies []Remedy
	deferrable := slices.ContainsFunc(d.table.indexes, func(ix catalogIndex) bool { return ix.primary })
	if id := d.route.DocumentID; !d.route.Satellite() && !deferrable {
		index := cdc.QuoteIdent(shortName("", d.route.Name.Name, "_pkey"))
		remedies = append(remedies, Remedy{
			Text: "make the document id the primary key, if no two rows share one",
			SQL: []string{
				fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)", index, d.route.Name.SQL(), cdc.QuoteIdents(id)),
				fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY USING INDEX %s", d.route.Name.SQL(), index),
			},
		})
	}
	return slices.Concat(remedies, d.toFull(), []Remedy{d.leaveOut()})
}

// refuseTaken are the ways out where the identity belongs to somebody else.
func (d *identityDecider) refuseTaken(columns []string) []Remedy {
	leaveOut := []Remedy{d.leaveOut()}
	if deletes(d.route) && subset(d.route.DocumentID, d.present()) {
		leaveOut = nil // only the domain of deletions is at stake
	}
	if d.table.subscribed {
		return leaveOut
	}
	text := "if nobody else needs the present one, change it"
	var sql []string
	for _, l := range d.table.listings {
		switch {
		case l.covers(columns):
		case l.filter != "" || !l.itself:
			return leaveOut // how to change that publication is for its owner to say
		default:
			sql = append(sql, inTransaction(
				fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s", cdc.QuoteIdent(l.publication), d.route.Name.SQL()),
				fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE ONLY %s (%s)", cdc.QuoteIdent(l.publication), d.route.Name.SQL(), cdc.QuoteIdents(union(l.columns, columns))),
			)...)
		}
		text = "agree with the subscribers of publication " + l.publication + " that old rows come with " + sentence(columns) + ", and change it"
	}
	return append([]Remedy{{Text: text, SQL: append(sql, d.bySQL(columns)...)}}, leaveOut...)
}

// toFull proposes the whole row as the identity, where nothing stands against it.
func (d *identityDecider) toFull() []Remedy {
	t := d.table
	limited := slices.ContainsFunc(t.listings, func(l catalogListing) bool {
		return !l.covers(t.columnNames()) || l.columns != nil && len(l.columns) < len(t.columns)
	})
	if limited || t.subscribed || t.generatedColumns() {
		return nil
	}
	publications := clonePublications(d.catalog.publications)
	sql := []string{limitLock}
	for i := range publications {
		if e := publications[i].entry(t.name); e != nil && e.columns != nil {
			e.columns = nil
			sql = append(sql, d.catalog.setTables(&publications[i]))
		}
	}
	return []Remedy{{
		Text: "log whole old rows; updates and deletions then write more, and the column list goes",
		SQL:  inTransaction(append(sql, alterIdentity(t.name, "FULL"))...),
	}}
}

// leaveOut proposes to publish less. What a part publishes is said of the whole.
func (d *identityDecider) leaveOut() Remedy {
	name, on := d.route.Name, "the table"
	if d.table.part() {
		name = d.table.whole
		on = name.SQL()
	}
	isParent := slices.ContainsFunc(d.cfg.Tables, func(t cdc.Table) bool { return t.Parent == name })
	switch {
	case isParent:
		return Remedy{Text: "take " + on + " and its satellites out of tables"}
	case deletes(d.route) && d.route.Publishes(cdc.Update) && len(d.present()) > 0:
		return Remedy{Text: "publish no deletions: set operations: [insert, update] on " + on}
	default:
		return Remedy{Text: "publish insertions alone: set operations: [insert] on " + on}
	}
}

// bySQL is what setup would do about the identity.
func (d *identityDecider) bySQL(columns []string) []string {
	var sql []string
	publications := clonePublications(d.catalog.publications)
	if widen := d.catalog.widen(publications, map[cdc.TableName][]string{d.route.Name: columns}); len(widen) > 0 {
		sql = inTransaction(widen...)
	}
	for _, step := range identitySteps(d.table, columns) {
		sql = append(sql, step.script()...)
	}
	return sql
}

// notNull proposes a constraint without a scan of the table under a lock that
// keeps the application out.
func notNull(t *catalogTable, columns []string) Remedy {
	var checks, alters []string
	for _, name := range columns {
		checks = append(checks, cdc.QuoteIdent(name)+" IS NOT NULL")
		alters = append(alters, "ALTER COLUMN "+cdc.QuoteIdent(name)+" SET NOT NULL")
	}
	alter := "ALTER TABLE " + t.name.SQL() + " "
	const constraint = "changefeed_not_null"
	return Remedy{
		Text: "forbid nulls, after filling those that are there, and run `" + initCommand + "`",
		SQL: []string{
			alter + "ADD CONSTRAINT " + constraint + " CHECK (" + strings.Join(checks, " AND ") + ") NOT VALID",
			alter + "VALIDATE CONSTRAINT " + constraint,
			alter + strings.Join(alters, ", "),
			alter + "DROP CONSTRAINT " + constraint,
		},
	}
}
