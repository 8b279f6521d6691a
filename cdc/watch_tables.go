package cdc

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxUnpublished bounds how many tables are reported.
const maxUnpublished = 100

// unpublished is a routed table, or a partition of one, whose changes are in no
// topic.
type unpublished struct {
	route    TableName
	relation TableName // empty: there is no table of the route's name
}

// unpublishedSQL compares the routes with the publications: each table, or each
// partition of it that holds rows, has to be in the publication of its operations.
func unpublishedSQL(cfg *Config) string {
	var wanted []string
	for _, p := range cfg.Publications() {
		for _, t := range p.Tables {
			wanted = append(wanted, "("+quoteLiteral(p.Name)+", "+quoteLiteral(t.Name.Schema)+", "+quoteLiteral(t.Name.Name)+")")
		}
	}
	return fmt.Sprintf(`SELECT wanted.schema, wanted.name, coalesce(part.schema, ''), coalesce(part.name, '')
FROM (VALUES %s) AS wanted(publication, schema, name)
LEFT JOIN pg_catalog.pg_namespace AS home ON home.nspname = wanted.schema
LEFT JOIN pg_catalog.pg_class AS relation ON relation.relnamespace = home.oid AND relation.relname = wanted.name
LEFT JOIN LATERAL (
	SELECT namespace.nspname AS schema, leaf.relname AS name
	FROM (
		SELECT relation.oid WHERE relation.relkind <> 'p'
		UNION ALL
		SELECT tree.relid FROM pg_catalog.pg_partition_tree(relation.oid) AS tree WHERE relation.relkind = 'p' AND tree.isleaf AND tree.relid <> relation.oid
	) AS member(oid)
	JOIN pg_catalog.pg_class AS leaf ON leaf.oid = member.oid
	JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = leaf.relnamespace
) AS part ON true
WHERE relation.oid IS NULL OR part.name IS NOT NULL AND NOT EXISTS (
	SELECT FROM pg_catalog.pg_publication_tables AS listed
	WHERE listed.pubname = wanted.publication AND listed.schemaname = part.schema AND listed.tablename = part.name)
ORDER BY 1, 2, 3, 4 LIMIT %d`, strings.Join(wanted, ", "), maxUnpublished)
}

func readUnpublished(ctx context.Context, conn *pgconn.PgConn, cfg *Config) ([]unpublished, error) {
	rows, err := query(ctx, conn, unpublishedSQL(cfg))
	if err != nil {
		return nil, err
	}
	var found []unpublished
	for _, row := range rows {
		found = append(found, unpublished{
			route:    TableName{Schema: string(row[0]), Name: string(row[1])},
			relation: TableName{Schema: string(row[2]), Name: string(row[3])},
		})
	}
	return found, nil
}

func (u *unpublished) condition() condition {
	route := u.route.SQL()
	c := condition{
		key:   "unpublished " + u.route.String() + " " + u.relation.String(),
		text:  "a routed table is in no publication of its route: its changes are in no topic",
		attrs: []any{"route", route, "table", u.relation.SQL(), "remedy", "changefeed init, then changefeed backfill " + shellQuote(route)},
		ended: "table " + u.relation.SQL() + " is published again",
	}
	if u.relation == (TableName{}) {
		c.text = "a routed table does not exist any more"
		c.attrs = []any{"route", route, "remedy", "make it, or give it its name back, and run changefeed init; or take the route out and restart"}
		c.ended = "table " + route + " is there and published again"
	}
	return c
}

// shellQuote keeps the quotes of SQL names from the shell.
func shellQuote(name string) string {
	if !strings.ContainsAny(name, `"'`) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// quoteLiteral writes a text as SQL does, whatever standard_conforming_strings
// is.
func quoteLiteral(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		quoted = " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
