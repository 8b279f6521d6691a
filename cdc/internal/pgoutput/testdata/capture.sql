-- Makes capture.txt, the messages that the golden test decodes:
--
--   psql -XAtq -v ON_ERROR_STOP=1 -f capture.sql > capture.txt
--
-- as a superuser, in an empty database of a server with wal_level=logical and
-- track_commit_timestamp=on. The golden test expects the rows written here.
--
-- Lines of the output: "message <slot> <lsn> <xid> <bytes in hex>" for each
-- message, and, for what differs from one run to the next, the server's own
-- word: "relation <oid> <name>", "type <oid> <name>", "emitted <lsn> <prefix>",
-- "commit <xid> <microseconds since 2000>".
SET timezone = 'UTC';

CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE orders (
    order_id bigint PRIMARY KEY,
    customer varchar(40),
    state    mood,
    total    numeric(10, 2),
    paid     boolean,
    note     text
);
ALTER TABLE orders ALTER COLUMN note SET STORAGE EXTERNAL;
CREATE TABLE audit (id int, what text, detail text);
ALTER TABLE audit REPLICA IDENTITY FULL;
ALTER TABLE audit ALTER COLUMN detail SET STORAGE EXTERNAL;
CREATE TABLE lines (
    line_id  int PRIMARY KEY,
    order_id bigint NOT NULL,
    sku      text,
    tenant   text NOT NULL
);
CREATE UNIQUE INDEX lines_identity ON lines (tenant, line_id);
ALTER TABLE lines REPLICA IDENTITY USING INDEX lines_identity;
CREATE TABLE ticks ();

CREATE PUBLICATION golden FOR TABLE orders, audit, lines (line_id, order_id, tenant), ticks;
SELECT pg_create_logical_replication_slot('text', 'pgoutput') \g /dev/null
SELECT pg_create_logical_replication_slot('binary', 'pgoutput') \g /dev/null

-- Values: null, empty, not ASCII, an enum, a value stored out of line.
INSERT INTO orders VALUES
    (1, 'Ada', 'calm', 12.50, true, NULL),
    (2, '', NULL, NULL, false, E'züge\n"quoted"');
INSERT INTO orders VALUES (3, 'Bo', 'cross', -1, NULL, repeat('long ', 420));

-- A value out of line not touched, the key changed, a delete by key.
UPDATE orders SET paid = true WHERE order_id = 3;
UPDATE orders SET order_id = 4 WHERE order_id = 1;
DELETE FROM orders WHERE order_id = 2;

-- Whole old rows.
INSERT INTO audit VALUES (1, 'made', repeat('more ', 420)), (2, NULL, NULL);
UPDATE audit SET what = 'changed' WHERE id = 1;
DELETE FROM audit WHERE id = 2;

-- A column list and an index as identity.
INSERT INTO lines VALUES (10, 4, 'hidden', 'north');
UPDATE lines SET sku = 'still hidden';
UPDATE lines SET tenant = 'south';
DELETE FROM lines;

INSERT INTO ticks DEFAULT VALUES;

-- A savepoint rolled back, messages, a relation that changes in mid-transaction.
SELECT 'emitted ' || (pg_logical_emit_message(false, 'outside', 'ping') - '0/0') || ' outside';
BEGIN;
INSERT INTO lines VALUES (11, 4, 'x', 'north');
SAVEPOINT s;
INSERT INTO lines VALUES (12, 4, 'x', 'north');
ROLLBACK TO s;
SELECT 'emitted ' || (pg_logical_emit_message(true, 'inside', '\x00ff'::bytea) - '0/0') || ' inside';
ALTER TABLE orders ADD COLUMN added int;
INSERT INTO orders (order_id, added) VALUES (5, 7);
COMMIT;

TRUNCATE orders, lines RESTART IDENTITY CASCADE;
TRUNCATE audit;

-- A transaction replicated from elsewhere.
SELECT pg_replication_origin_create('elsewhere') \g /dev/null
SELECT pg_replication_origin_session_setup('elsewhere') \g /dev/null
BEGIN;
SELECT pg_replication_origin_xact_setup('AB/CDEF0123', '2024-02-29 12:34:56.789012+00') \g /dev/null
INSERT INTO lines VALUES (13, 5, 'x', 'west');
COMMIT;
SELECT pg_replication_origin_session_reset() \g /dev/null

SELECT 'relation ' || oid || ' ' || relname FROM pg_class
    WHERE relname IN ('orders', 'audit', 'lines', 'ticks') ORDER BY oid;
SELECT 'type ' || oid || ' ' || typname FROM pg_type WHERE typname = 'mood';
WITH changes AS (
    SELECT * FROM pg_logical_slot_peek_binary_changes('text', NULL, NULL,
        'proto_version', '1', 'publication_names', 'golden', 'messages', 'true')
)
SELECT 'commit ' || xid || ' '
    || (extract(epoch FROM pg_xact_commit_timestamp(xid) - '2000-01-01 00:00+00') * 1000000)::bigint
FROM (SELECT DISTINCT xid::text::bigint AS n, xid FROM changes WHERE xid <> '0') t ORDER BY n;
SELECT 'message text ' || (lsn - '0/0') || ' ' || xid || ' ' || encode(data, 'hex')
FROM pg_logical_slot_get_binary_changes('text', NULL, NULL,
    'proto_version', '1', 'publication_names', 'golden', 'messages', 'true');
SELECT 'message binary ' || (lsn - '0/0') || ' ' || xid || ' ' || encode(data, 'hex')
FROM pg_logical_slot_get_binary_changes('binary', NULL, NULL,
    'proto_version', '1', 'publication_names', 'golden', 'binary', 'true')
LIMIT 5;
