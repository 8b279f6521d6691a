package setup

import (
	"fmt"
	"slices"

	"changefeed/cdc"
)

// identityDecision says what becomes of the replica identity of one table.
//
// Old rows have to hold the document id, so that a deletion names its document
// and a changed id the former one, and the domain, which a deletion carries.
// Neither is asked of a route without deletions: for it any identity serves, and
// for one of insertions alone none is needed.
//
// The index that setup builds is always a superset of a unique key that the
// table has already, so that it can never refuse a row that the application was
// free to write: where the wanted columns hold no such key, the primary key is
// added to them, which is the case of every satellite. All its columns are NOT
// NULL, as the server demands.
type identityDecision struct {
	build   []string // columns of the index to build and use; nil: nothing changes
	columns []string // what old rows hold then; nil: no updates and deletions are published
	whole   bool     // old rows hold everything: REPLICA IDENTITY FULL
	finding *Finding // what is wrong, or less than could be
}

// identified reports whether the server needs a replica identity to publish the
// table's operations.
func identified(t *cdc.Table) bool { return t.Publishes(cdc.Update | cdc.Delete) }

func deletes(t *cdc.Table) bool { return t.Publishes(cdc.Delete) }

// decideIdentities decides for every routed table whose columns are there.
func decideIdentities(c *catalog, cfg *cdc.Config) map[cdc.TableName]identityDecision {
	decisions := make(map[cdc.TableName]identityDecision)
	for i := range cfg.Tables {
		route := &cfg.Tables[i]
		t := c.table(route)
		if fits(route, t) {
			d := &identityDecider{catalog: c, cfg: cfg, route: route, table: t}
			decisions[route.Name] = d.decide()
		}
	}
	return decisions
}

// fits reports whether a route can read its table.
func fits(route *cdc.Table, t *catalogTable) bool {
	if !t.exists() || t.persistence != 'p' {
		return false
	}
	for _, name := range route.Columns() {
		if c := t.column(name); c == nil || c.generated {
			return false
		}
	}
	return true
}

// identityDecider decides for one table.
type identityDecider struct {
	catalog *catalog
	cfg     *cdc.Config
	route   *cdc.Table
	table   *catalogTable
}

func (d *identityDecider) decide() identityDecision {
	r, t := d.route, d.table
	if !identified(r) {
		return identityDecision{}
	}
	if t.identityFull() {
		return d.decideFull()
	}
	present := d.present()
	keep := identityDecision{columns: present}
	var wanted []string
	if deletes(r) {
		if nullable := d.nullable(r.DocumentID); len(nullable) > 0 {
			return d.with(keep, Refuse, fmt.Sprintf("document_id holds %s, which can be null: a deletion could not name its document", sentence(nullable)),
				d.refuseNull(nullable)...)
		}
		wanted = r.DocumentID
	}
	sufficient := len(present) > 0 && subset(wanted, present)
	full := wanted
	if domain := r.Domain.Column; deletes(r) && domain != "" {
		if sufficient && subset([]string{domain}, present) {
			return keep
		}
		if len(d.nullable([]string{domain})) == 0 {
			full = union(wanted, []string{domain})
		} else if sufficient {
			return d.with(keep, Warn, fmt.Sprintf("its domain column %s can be null, so that it cannot be in the replica identity: deletions will have no domain", domain),
				notNull(t, []string{domain}))
		}
	} else if sufficient {
		return d.noteMoves(keep)
	}
	key := d.key(full)
	if key == nil {
		return d.with(keep, Refuse, "it has no primary key and no other unique key of columns that are never null: the server would refuse the application's updates and deletions as soon as they are published",
			d.refuseNoKey()...)
	}
	return d.change(union(full, key), sufficient)
}

// change decides to build the index, unless the identity is not ours to change.
func (d *identityDecider) change(columns []string, sufficient bool) identityDecision {
	keep := identityDecision{columns: d.present()}
	problem := fmt.Sprintf("its replica identity (%s) does not hold %s", d.describe(), sentence(without(columns, keep.columns)))
	severity := Refuse
	if sufficient {
		severity = Warn
		problem += ": deletions will have no domain"
	}
	if reason := d.taken(); reason != "" {
		return d.with(keep, severity, problem+", and "+reason, d.refuseTaken(columns)...)
	}
	build := identityDecision{build: columns, columns: columns}
	if nullable := d.nullable(domainOf(d.route)); len(nullable) > 0 {
		problem += fmt.Sprintf("; its domain column %s can be null and is left out: deletions will have no domain", nullable[0])
	}
	return d.with(build, severity, problem, byInit("build an index for it", d.bySQL(columns)...))
}

// decideFull accepts whole old rows, but for what the server makes of generated
// columns from version 18 on.
func (d *identityDecider) decideFull() identityDecision {
	full := identityDecision{columns: d.table.columnNames(), whole: true}
	if d.catalog.server.version >= 180000 && d.table.generatedColumns() {
		return d.with(full, Refuse, "its replica identity is the whole row, with generated columns in it, which are not published: the server would refuse the application's updates and deletions",
			Remedy{
				Text: "go back to the primary key, and let init build an index where that does not do",
				SQL:  []string{alterIdentity(d.table.name, "DEFAULT")},
			}, d.leaveOut())
	}
	return d.with(full, Info, "its replica identity is the whole row: whole rows are logged and published, no column list narrows them")
}

// noteMoves notes what a route without deletions does not see.
func (d *identityDecider) noteMoves(keep identityDecision) identityDecision {
	if deletes(d.route) || subset(d.route.DocumentID, keep.columns) {
		return keep
	}
	problem := "an update that changes the document id is a change of the new document alone"
	if d.route.Satellite() {
		problem = "an update that moves a row to another parent is a change of the new parent alone"
	}
	return d.with(keep, Info, problem+", because its operations leave out delete and its replica identity does not hold "+sentence(d.route.DocumentID))
}

func (d *identityDecider) with(decision identityDecision, severity Severity, problem string, remedies ...Remedy) identityDecision {
	decision.finding = &Finding{Severity: severity, Subject: subjectOf(d.route), Problem: problem, Remedies: remedies}
	return decision
}

// present are the columns that the server sends of old rows now. An identity
// with a generated column, which the server never sends, counts for nothing.
func (d *identityDecider) present() []string {
	if ix := d.table.identityIndex(); ix != nil && !ix.generated {
		return ix.columns
	}
	return nil
}

func (d *identityDecider) nullable(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return d.table.column(name).notNull })
}

// key returns the columns of a unique key without nulls: one within the wanted
// columns, else the primary key, else the shortest. It is nil without any.
func (d *identityDecider) key(wanted []string) []string {
	var best *catalogIndex
	for i := range d.table.indexes {
		ix := &d.table.indexes[i]
		switch {
		case !ix.key || !ix.notNull || ix.generated:
		case subset(ix.columns, wanted):
			return ix.columns
		case best == nil, ix.primary, !best.primary && len(ix.columns) < len(best.columns):
			best = ix
		}
	}
	if best == nil {
		return nil
	}
	return best.columns
}

// taken says who else the replica identity belongs to; empty: nobody.
func (d *identityDecider) taken() string {
	t := d.table
	ix := t.identityIndex()
	switch {
	case t.subscribed:
		return "a subscription of this database finds rows of the table by it"
	case len(t.listings) > 0:
		return "publication " + t.listings[0].publication + " relies on it too"
	case t.identity == 'n' || t.identity == 'i' && ix == nil:
		return "somebody turned it off"
	case t.identity == 'i' && !isIdentityIndex(t, ix.name):
		return "somebody else has chosen it"
	default:
		return ""
	}
}

// describe names the present identity.
func (d *identityDecider) describe() string {
	switch ix := d.table.identityIndex(); {
	case ix != nil && ix.primary:
		return "the primary key: " + sentence(ix.columns)
	case ix != nil:
		return "the index " + ix.name + ": " + sentence(ix.columns)
	default:
		return "none"
	}
}

func domainOf(r *cdc.Table) []string {
	if r.Domain.Column == "" || !deletes(r) {
		return nil
	}
	return []string{r.Domain.Column}
}

func subjectOf(r *cdc.Table) string { return "table " + r.Name.SQL() }

func without(names, taken []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(taken, name) })
}
