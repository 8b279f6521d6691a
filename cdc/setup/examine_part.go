package setup

import (
	"slices"

	"changefeed/cdc"
)

// examineParts judges the tables whose rows are those of a routed table too: its
// partitions, and the tables that inherit from it.
func (x *examiner) examineParts(subject string, t *catalogTable) {
	parts := x.catalog.partsOf(t)
	if t.partitioned() && len(parts) == 0 {
		x.add(Info, subject, "it has no partitions, and so no rows; those of a partition that it gets are published when it is set up again",
			Remedy{Text: "after creating one", Command: initCommand})
	}
	var foreign, late []string
	for _, part := range parts {
		switch route := x.cfg.Table(part.name); {
		case route == nil:
			foreign = append(foreign, part.name.SQL())
		case x.late(route):
			late = append(late, part.name.SQL())
		}
	}
	if len(foreign) > 0 {
		x.add(Warn, subject, "of its parts these are foreign tables, whose rows are not in this server's log: "+abridged(foreign),
			Remedy{Text: "publish them as tables of a source of its own, from the server that holds them"})
	}
	if len(late) > 0 {
		x.add(Warn, subject, "of its parts these are not published, so that what is written to them is in no topic: "+abridged(late),
			byInit("publish them from now on, and then what they hold already: changefeed backfill "+t.name.SQL()))
	}
}

// late reports whether a route is that of a part which is not published yet,
// while another of the same whole is. It was created or attached since the last
// set-up; a publisher that stopped for its sake would not publish it either.
func (x *examiner) late(route *cdc.Table) bool {
	t := x.catalog.table(route)
	if !t.part() || x.listed(route.Name) {
		return false
	}
	return x.listed(t.whole) || slices.ContainsFunc(x.catalog.partsOf(x.catalog.tables[t.whole]), func(other *catalogTable) bool {
		return x.listed(other.name)
	})
}

// listed reports whether one of our publications lists a table.
func (x *examiner) listed(name cdc.TableName) bool {
	return slices.ContainsFunc(x.catalog.publications, func(p catalogPublication) bool { return p.entry(name) != nil })
}
