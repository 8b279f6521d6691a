package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"changefeed/cdc/internal/pgoutput"
)

// presentColumn is a column that a published table has now.
type presentColumn struct {
	name      string
	typ       uint32
	published bool
}

// compile compiles the route of a table. The log names columns as they were, and
// the route as they are: one that was renamed is found by its place.
func (a *assembler) compile(ctx context.Context, m *pgoutput.Relation, r *route) (*relation, error) {
	rel, err := compileRelation(m, r)
	if _, lacks := errors.AsType[*ColumnError](err); !lacks {
		return rel, err
	}
	present, lookupErr := a.columns(ctx, m.ID)
	if lookupErr != nil {
		return nil, lookupErr
	}
	columns, renames := renamedColumns(m.Columns, present)
	if len(renames) == 0 {
		return nil, err
	}
	renamed := *m
	renamed.Columns = columns
	if rel, err = compileRelation(&renamed, r); err != nil {
		return nil, err
	}
	a.log.Info("columns were renamed since: rows under their former names are read on", "table", rel.name.SQL(), "renamed", strings.Join(renames, ", "))
	return rel, nil
}

// renamedColumns gives columns of the log the names that they have now, and says
// which were renamed. None are, unless all of the table's published columns are
// those of the log, place by place: of the same type, and either of the same name
// or renamed, which is to say that the table has no such name now and the log did
// not have the new one.
func renamedColumns(logged []pgoutput.Column, present []presentColumn) (columns []pgoutput.Column, renames []string) {
	published := slices.DeleteFunc(slices.Clone(present), func(c presentColumn) bool { return !c.published })
	if len(published) != len(logged) {
		return nil, nil
	}
	columns = slices.Clone(logged)
	for i, now := range published {
		former := logged[i]
		if now.typ != former.TypeOID {
			return nil, nil
		}
		if now.name == former.Name {
			continue
		}
		stillThere := slices.ContainsFunc(present, func(c presentColumn) bool { return c.name == former.Name })
		thereThen := slices.ContainsFunc(logged, func(c pgoutput.Column) bool { return c.Name == now.name })
		if stillThere || thereThen {
			return nil, nil
		}
		columns[i].Name = now.name
		renames = append(renames, former.Name+" to "+now.name)
	}
	return columns, renames
}

// columnsSQL lists the columns of a table, if those that are published have been
// the same, by their numbers, since before anything that the slot can still read:
// else a column that was dropped could be taken for one that was added since, or
// one that left the list for one that came into it. Whatever made the list, and
// whatever dropped a column, must be older than the slot's catalog_xmin, before
// which every transaction has ended where the slot begins to read.
const columnsSQL = `WITH listed AS (
	SELECT entry.xmin AS since, nullif(pg_catalog.to_jsonb(entry) -> 'prattrs', 'null') AS numbers
	FROM pg_catalog.pg_publication_rel AS entry
	JOIN pg_catalog.pg_publication AS publication ON publication.oid = entry.prpubid
	WHERE entry.prrelid = %[1]d AND publication.pubname IN ('%[2]s')
), changed AS (
	SELECT since FROM listed
	UNION ALL
	SELECT dropped.xmin FROM pg_catalog.pg_attribute AS dropped WHERE dropped.attrelid = %[1]d AND dropped.attisdropped
)
SELECT present.attname, present.atttypid,
	present.attgenerated = '' AND (listed.numbers IS NULL OR listed.numbers @> pg_catalog.to_jsonb(present.attnum))
FROM listed
JOIN pg_catalog.pg_attribute AS present ON present.attrelid = %[1]d AND present.attnum > 0 AND NOT present.attisdropped
JOIN pg_catalog.pg_replication_slots AS slot ON slot.slot_name = '%[3]s'
WHERE (SELECT pg_catalog.count(*) FROM listed) = 1
	AND NOT EXISTS (SELECT FROM changed WHERE pg_catalog.age(changed.since) <= pg_catalog.age(slot.catalog_xmin))
ORDER BY present.attnum`

// columnsOf returns the columns of a table, in their order; none where those of
// the log may have been others.
func (s *session) columnsOf(ctx context.Context, oid uint32) ([]presentColumn, error) {
	rows, err := s.queryAside(ctx, fmt.Sprintf(columnsSQL, oid, strings.Join(s.publications, "', '"), s.cfg.Slot))
	if err != nil {
		return nil, err
	}
	columns := make([]presentColumn, len(rows))
	for i, row := range rows {
		typ, err := strconv.ParseUint(string(row[1]), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read columns: %w", err)
		}
		columns[i] = presentColumn{name: string(row[0]), typ: uint32(typ), published: string(row[2]) == "t"}
	}
	return columns, nil
}
