package demo

// The statements of the writer. The first parameter is always the orders' ids.
// Notes hold what text can hold, are now and then missing, and now and then so
// long that PostgreSQL stores them apart and leaves them out of the log when an
// update does not touch them.
const (
	insertOrders = `
INSERT INTO orders (order_id, tenant, kind, customer, total, note, updated_at)
SELECT id,
       (ARRAY['acme', 'globex', 'initech', 'umbrella'])[1 + id % 4],
       (ARRAY['web', 'shop', 'phone'])[1 + id % 3],
       (ARRAY['Ada', 'Grace', 'O''Brien', 'Søren', '李雷', 'Zoë "Z" \ Smith'])[1 + id % 6],
       round((10 + random() * 990)::numeric, 2),
       ` + anyNote + `,
       clock_timestamp()
FROM unnest($1::bigint[]) AS id`

	insertLines = `
INSERT INTO order_lines (order_id, line_no, sku, quantity, price)
SELECT id, n, 'sku-' || (id * 7 + n) % 500, 1 + (id + n) % 5, round((1 + random() * 99)::numeric, 2)
FROM unnest($1::bigint[]) AS id, generate_series(1, 1 + (id % 3)::integer) AS n
RETURNING order_id`

	editOrders = `
UPDATE orders SET
       total = round((10 + random() * 990)::numeric, 2),
       kind = CASE WHEN random() < 0.1 THEN 'phone' ELSE kind END,
       note = CASE WHEN random() < 0.2 THEN ` + anyNote + ` ELSE note END,
       updated_at = clock_timestamp()
WHERE order_id = ANY ($1::bigint[])`

	softDeleteOrders = `UPDATE orders SET deleted_on = clock_timestamp(), updated_at = clock_timestamp() WHERE order_id = ANY ($1::bigint[])`
	restoreOrders    = `UPDATE orders SET deleted_on = NULL, updated_at = clock_timestamp() WHERE order_id = ANY ($1::bigint[])`
	hardDeleteOrders = `DELETE FROM orders WHERE order_id = ANY ($1::bigint[])` // lines follow by the foreign key

	editLines   = `UPDATE order_lines SET quantity = 1 + quantity % 9 WHERE order_id = ANY ($1::bigint[]) RETURNING order_id`
	removeLines = `
DELETE FROM order_lines AS l
WHERE l.order_id = ANY ($1::bigint[])
  AND l.line_no = (SELECT max(line_no) FROM order_lines AS m WHERE m.order_id = l.order_id)
RETURNING l.order_id`
	addLines = `
INSERT INTO order_lines (order_id, line_no, sku, quantity, price)
SELECT id, 1 + coalesce((SELECT max(line_no) FROM order_lines AS m WHERE m.order_id = id), 0), 'sku-' || id % 500, 1, 9.90
FROM unnest($1::bigint[]) AS id
RETURNING order_id`
)

// anyNote is an expression, evaluated for each row.
const anyNote = `(CASE (random() * 20)::integer
         WHEN 0 THEN NULL
         WHEN 1 THEN ''
         WHEN 2 THEN E'two\nlines\twith a tab, a "quote" and a \\ backslash'
         WHEN 3 THEN (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 120))
         ELSE 'note ' || md5(random()::text)
       END)`
