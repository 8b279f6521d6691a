INSERT INTO orders VALUES ('a', 'acme', 1)

ALTER TABLE orders ADD COLUMN added int DEFAULT 5

INSERT INTO orders (order_id, tenant, state) VALUES ('b', 'acme', 1)

BEGIN;
INSERT INTO orders (order_id, tenant, state) VALUES ('c', 'acme', 1);
ALTER TABLE orders DROP COLUMN note;
ALTER TABLE orders ADD COLUMN note jsonb;
INSERT INTO orders (order_id, tenant, state) VALUES ('d', 'acme', 2);
COMMIT

ALTER TABLE orders DROP COLUMN tenant

TRUNCATE orders CASCADE

INSERT INTO orders (order_id, tenant, state) VALUES ('e', 'acme', 1);
TRUNCATE audit;
INSERT INTO audit VALUES (1, 'after')

CREATE TABLE unrouted (x int PRIMARY KEY)

ALTER PUBLICATION changefeed_main ADD TABLE unrouted

INSERT INTO unrouted VALUES (1), (2)

INSERT INTO orders (order_id, tenant, state) VALUES ('f', 'acme', 1)

SELECT pg_logical_emit_message(true, 'anything', 'nobody reads this')
