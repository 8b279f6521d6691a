package setup

import (
	"fmt"
	"slices"
	"strings"

	"changefeed/cdc"
)

// wantedPublications are the publications that the configuration asks for.
//
// A column list holds what the route reads and what the replica identity
// consists of: with less the server would refuse the application's updates. A
// table whose identity is the whole row has none, nor has any before version 15.
func wantedPublications(c *catalog, cfg *cdc.Config, identities map[cdc.TableName]identityDecision) []catalogPublication {
	var all []catalogPublication
	for _, p := range cfg.Publications() {
		wanted := catalogPublication{name: p.Name, operations: p.Operations, truncate: true}
		for _, route := range p.Tables {
			d, ok := identities[route.Name]
			if !ok {
				continue
			}
			e := catalogEntry{table: route.Name}
			if c.server.columnLists() && !d.whole {
				e.columns = union(route.Columns(), d.columns)
			}
			wanted.entries = append(wanted.entries, e)
		}
		all = append(all, wanted)
	}
	return all
}

// publicationStep leads from the present publications to those that are wanted,
// in one transaction, so that no reader sees a table in two of them.
func publicationStep(c *catalog, cfg *cdc.Config, present []catalogPublication, identities map[cdc.TableName]identityDecision) (Step, bool) {
	step := Step{Why: "publish the tables, each with the columns that are read; a listed column cannot be dropped or change its type while it is listed"}
	var warnings []string
	find := func(name string) *catalogPublication {
		at := slices.IndexFunc(present, func(p catalogPublication) bool { return p.name == name })
		if at < 0 {
			return nil
		}
		return &present[at]
	}
	wanted := wantedPublications(c, cfg, identities)
	for i := range present {
		p := &present[i]
		if slices.ContainsFunc(wanted, func(w catalogPublication) bool { return w.name == p.name }) {
			continue
		}
		if moved := movedTables(p, cfg); len(moved) > 0 {
			step.SQL = append(step.SQL, fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s", cdc.QuoteIdent(p.name), tableNames(moved)))
		}
	}
	for i := range wanted {
		w := &wanted[i]
		p := find(w.name)
		step.SQL = append(step.SQL, c.alterPublication(p, w)...)
		if c.slot != nil {
			warnings = append(warnings, c.backlogWarnings(p, w, cfg)...)
		}
	}
	step.Warning = strings.Join(warnings, "; ")
	return step, len(step.SQL) > 0
}

// alterPublication returns the statements that make p, nil where there is none,
// what is wanted.
func (c *catalog) alterPublication(p, wanted *catalogPublication) []string {
	name := cdc.QuoteIdent(wanted.name)
	if p == nil {
		var tables string
		if len(wanted.entries) > 0 {
			tables = " FOR TABLE " + c.tableList(wanted.entries)
		}
		return []string{fmt.Sprintf("CREATE PUBLICATION %s%s WITH (publish = '%s')", name, tables, publishOption(wanted))}
	}
	var sql []string
	if p.operations != wanted.operations || p.truncate != wanted.truncate || p.viaRoot {
		sql = append(sql, fmt.Sprintf("ALTER PUBLICATION %s SET (publish = '%s', publish_via_partition_root = false)", name, publishOption(wanted)))
	}
	added, removed, changed := compareEntries(p, wanted)
	switch {
	case len(removed) > 0 && len(wanted.entries) == 0: // of partitioned tables without partitions
		sql = append(sql, fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s", name, entryNames(removed)))
	case len(removed)+len(changed) > 0 || p.schemas:
		sql = append(sql, c.setTables(wanted))
	case len(added) > 0:
		sql = append(sql, fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s", name, c.tableList(added)))
	}
	return sql
}

// compareEntries tells the entries that are only wanted, only there, and those
// that are both but not alike.
func compareEntries(p, wanted *catalogPublication) (added, removed, changed []catalogEntry) {
	for _, w := range wanted.entries {
		switch e := p.entry(w.table); {
		case e == nil:
			added = append(added, w)
		case e.filter || !sameColumns(e.columns, w.columns):
			changed = append(changed, w)
		}
	}
	for _, e := range p.entries {
		if wanted.entry(e.table) == nil {
			removed = append(removed, e)
		}
	}
	return added, removed, changed
}

// sameColumns compares column lists, in which order means nothing and nil
// stands for all.
func sameColumns(a, b []string) bool {
	return (a == nil) == (b == nil) && len(a) == len(b) && subset(a, b)
}

// movedTables are the routed tables in a publication in which none belongs.
func movedTables(p *catalogPublication, cfg *cdc.Config) []cdc.TableName {
	var moved []cdc.TableName
	for _, e := range p.entries {
		if cfg.Table(e.table) != nil {
			moved = append(moved, e.table)
		}
	}
	return moved
}

// backlogWarnings say what a changed publication means for what was committed
// before, which the server decodes with the publication as it was then.
func (c *catalog) backlogWarnings(p, wanted *catalogPublication, cfg *cdc.Config) []string {
	if p == nil {
		return []string{fmt.Sprintf("publication %s is younger than slot %s: let a publisher with the former configuration catch up before one with this starts; "+
			"if the publication had been dropped, what was written meanwhile cannot be decoded: SELECT pg_replication_slot_advance('%s', pg_current_wal_lsn()) skips it, then backfill all tables",
			wanted.name, cfg.Slot, cfg.Slot)}
	}
	var warnings []string
	added, _, changed := compareEntries(p, wanted)
	for _, e := range added {
		document := e.table // whose rows a backfill publishes
		if t := c.tables[e.table]; t.part() {
			document = t.whole
		}
		if route := cfg.Table(document); route.Satellite() {
			document = route.Parent
		}
		warnings = append(warnings, "rows of "+e.table.SQL()+" that were written before this are in no topic: then run changefeed backfill "+document.SQL())
	}
	for _, e := range changed {
		warnings = append(warnings, "rows of "+e.table.SQL()+" that were written before this come with the former columns: where the route reads more, let a publisher with the former configuration catch up first")
	}
	return warnings
}

// setTables replaces what a publication lists.
func (c *catalog) setTables(p *catalogPublication) string {
	return fmt.Sprintf("ALTER PUBLICATION %s SET TABLE %s", cdc.QuoteIdent(p.name), c.tableList(p.entries))
}

// tableList writes entries as SQL does. ONLY keeps out the tables that inherit
// from one, each of which is an entry of its own.
func (c *catalog) tableList(entries []catalogEntry) string {
	var list []string
	for _, e := range entries {
		text := e.table.SQL()
		if t := c.tables[e.table]; t == nil || t.heirs {
			text = "ONLY " + text
		}
		if e.columns != nil {
			text += " (" + cdc.QuoteIdents(e.columns) + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// publishOption writes the operations of a publication. Truncations are always
// among them: they are reported.
func publishOption(p *catalogPublication) string {
	return strings.Join(append(p.operations.Names(), "truncate"), ", ")
}

func entryNames(entries []catalogEntry) string {
	var names []cdc.TableName
	for _, e := range entries {
		names = append(names, e.table)
	}
	return tableNames(names)
}

func tableNames(tables []cdc.TableName) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.SQL())
	}
	return strings.Join(names, ", ")
}

// clonePublications copies as deep as entries are changed.
func clonePublications(all []catalogPublication) []catalogPublication {
	all = slices.Clone(all)
	for i := range all {
		all[i].entries = slices.Clone(all[i].entries)
	}
	return all
}
