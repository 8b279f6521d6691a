package setup

import (
	"fmt"
	"slices"
	"strings"

	"changefeed/cdc"
)

// examinePublications compares our publications with those that are wanted.
func (x *examiner) examinePublications() {
	for _, wanted := range wantedPublications(x.catalog, x.cfg, x.identities) {
		p := x.catalog.publication(wanted.name)
		subject := "publication " + wanted.name
		switch {
		case p == nil:
			problem := "it does not exist"
			if x.catalog.slot != nil {
				problem += ", while its slot does: what is written until it is created cannot be decoded with it"
			}
			x.add(Refuse, subject, problem, x.byPublicationSQL("create it"))
		case p.allTables:
			x.add(Refuse, subject, "it is FOR ALL TABLES: the server would refuse updates of tables without a replica identity, and every table is decoded",
				Remedy{Text: "leave it alone and choose another name: set publication"})
		default:
			x.examinePublication(subject, p, &wanted)
		}
	}
	for i := range x.catalog.publications {
		p := &x.catalog.publications[i]
		if slices.ContainsFunc(x.cfg.Publications(), func(w cdc.Publication) bool { return w.Name == p.name }) {
			continue
		}
		if moved := movedTables(p, x.cfg); len(moved) > 0 {
			x.add(Refuse, "publication "+p.name, "it still lists "+tableNames(moved)+", whose operations are published elsewhere now",
				x.byPublicationSQL("take them out"))
		}
	}
	x.noteListings()
}

// examinePublication joins what it finds to one finding of each severity.
func (x *examiner) examinePublication(subject string, p, wanted *catalogPublication) {
	var problems [Refuse + 1][]string
	note := func(s Severity, format string, args ...any) {
		problems[s] = append(problems[s], fmt.Sprintf(format, args...))
	}
	if p.operations != wanted.operations {
		note(Refuse, "it publishes %s, not %s", orNothing(p.operations.Names()), sentence(wanted.operations.Names()))
	}
	if p.viaRoot {
		note(Refuse, "publish_via_partition_root is on: rows would come under the name of a partitioned table")
	}
	if p.schemas {
		note(Refuse, "it lists whole schemas: column lists and the tables of a publication are chosen one by one")
	}
	if !p.truncate {
		note(Warn, "it does not publish truncate: a truncation goes unnoticed")
	}
	for _, w := range wanted.entries {
		route := x.cfg.Table(w.table)
		if e := p.entry(w.table); e != nil || !x.late(route) {
			x.examineEntry(note, route, e, w)
		}
	}
	for _, e := range p.entries {
		if wanted.entry(e.table) == nil && !belongs(x.cfg, e.table, p.name) {
			note(Warn, "it lists %s, which is not its own to list: it has no route, nor has a table that it is a part of", e.table.SQL())
		}
	}
	for _, s := range []Severity{Refuse, Warn, Info} {
		if len(problems[s]) > 0 {
			x.add(s, subject, strings.Join(problems[s], "; "), x.byPublicationSQL("bring it to the configuration"))
		}
	}
}

// belongs reports whether a route wants its table in the publication.
func belongs(cfg *cdc.Config, table cdc.TableName, publication string) bool {
	return slices.ContainsFunc(cfg.Publications(), func(p cdc.Publication) bool {
		return p.Name == publication && slices.ContainsFunc(p.Tables, func(t *cdc.Table) bool { return t.Name == table })
	})
}

// examineEntry judges how a publication lists a table; e is nil where it does not.
func (x *examiner) examineEntry(note func(Severity, string, ...any), route *cdc.Table, e *catalogEntry, wanted catalogEntry) {
	name := route.Name.SQL()
	if e == nil {
		note(Refuse, "it does not list %s", name)
		return
	}
	if e.filter {
		note(Refuse, "it filters rows of %s: those would be missed, or look deleted", name)
	}
	if e.columns == nil {
		if wanted.columns != nil {
			note(Info, "it publishes whole rows of %s, where %s would do", name, sentence(wanted.columns))
		}
		return
	}
	var identity []string
	if identified(route) {
		identity = x.catalog.table(route).identityColumns()
	}
	if missing := without(identity, e.columns); len(missing) > 0 {
		note(Refuse, "its column list of %s does not hold %s of the replica identity: the server refuses the application's updates and deletions of the table",
			name, sentence(missing))
	}
	if missing := without(without(route.Columns(), e.columns), identity); len(missing) > 0 {
		note(Refuse, "its column list of %s does not hold %s, which the route reads", name, sentence(missing))
	}
	if more := without(e.columns, union(route.Columns(), identity, wanted.columns)); len(more) > 0 {
		note(Info, "its column list of %s holds %s, which nothing reads", name, sentence(more))
	}
}

// byPublicationSQL proposes what setup would do about all publications, and the
// SQL of it once replica identities are in order: before, it could make the
// application's updates fail.
func (x *examiner) byPublicationSQL(text string) Remedy {
	remedy := byInit(text)
	if slices.ContainsFunc(x.catalog.publications, func(p catalogPublication) bool { return p.allTables }) {
		return remedy
	}
	for i := range x.cfg.Tables {
		if x.catalog.table(&x.cfg.Tables[i]).partitioned() {
			continue
		}
		d, ok := x.identities[x.cfg.Tables[i].Name]
		if !ok || d.build != nil || d.finding != nil && d.finding.Severity == Refuse {
			return remedy
		}
	}
	if step, ok := publicationStep(x.catalog, x.cfg, x.catalog.publications, x.identities); ok {
		remedy.SQL = step.script()
	}
	return remedy
}

// noteListings tells which other publications list our tables.
func (x *examiner) noteListings() {
	for i := range x.cfg.Tables {
		t := x.catalog.table(&x.cfg.Tables[i])
		if t.part() {
			continue // its whole is told of
		}
		var names []string
		for _, l := range t.listings {
			names = append(names, l.publication)
		}
		if len(names) > 0 {
			x.add(Info, subjectOf(&x.cfg.Tables[i]), "other publications list it too: "+sentence(names)+"; its replica identity is theirs as well")
		}
	}
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return sentence(names)
}
