package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// comparison is how the report table differs from what it should hold.
type comparison struct {
	rows      int64 // that there should be
	missing   int64
	extra     int64
	different int64
	examples  []string
}

func (c *comparison) mismatched() int64 { return c.missing + c.extra + c.different }

// compareTables joins every order that is not deleted with its row in the report
// table, in one snapshot, so that nothing can change between the two.
const compareTables = `
WITH pairs AS (
	SELECT coalesce(o.order_id, r.order_id) AS order_id,
	       o.order_id IS NOT NULL AS wanted,
	       CASE
	         WHEN r.order_id IS NULL THEN 'missing'
	         WHEN o.order_id IS NULL THEN 'extra'
	         WHEN (o.tenant, o.kind, o.customer, o.total, o.note, o.updated_at)
	              IS DISTINCT FROM (r.tenant, r.kind, r.customer, r.total, r.note, r.updated_at) THEN 'different'
	       END AS fault
	FROM (SELECT * FROM public.orders WHERE deleted_on IS NULL) AS o
	FULL JOIN reports.orders AS r ON r.order_id = o.order_id
)
SELECT count(*) FILTER (WHERE wanted),
       count(*) FILTER (WHERE fault = 'missing'),
       count(*) FILTER (WHERE fault = 'extra'),
       count(*) FILTER (WHERE fault = 'different'),
       (SELECT array_agg('order ' || order_id || ' is ' || fault)
        FROM (SELECT order_id, fault FROM pairs WHERE fault IS NOT NULL ORDER BY order_id LIMIT 5) AS first)
FROM pairs`

// compare compares the report table with the database.
func compare(ctx context.Context, conn *pgx.Conn) (comparison, error) {
	var c comparison
	err := conn.QueryRow(ctx, compareTables).Scan(&c.rows, &c.missing, &c.extra, &c.different, &c.examples)
	if err != nil {
		return c, fmt.Errorf("compare %s.%s with public.orders: %w", reportSchema, reportTable, err)
	}
	return c, nil
}

// remarks say what was found, in lines.
func (c *comparison) remarks() []string {
	if c.mismatched() == 0 {
		return []string{count(c.rows) + " rows compared, all equal"}
	}
	found := fmt.Sprintf("%d missing, %d too many, %d different", c.missing, c.extra, c.different)
	return append([]string{found}, c.examples...)
}
