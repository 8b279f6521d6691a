SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "resaved"}}')

BEGIN;
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "a", "domain": "message"}}');
INSERT INTO orders VALUES ('a', 'acme', 1), ('b', 'acme', 1);
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "b", "is_deletion": true}}');
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "elsewhere", "document_id": "ü/%", "document_type": "T", "document_subtype": "s", "domain": "d", "is_deletion": true, "data_source_type": "couch", "data_source_name": "users"}}');
COMMIT

BEGIN;
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "kept"}}');
SAVEPOINT one;
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "rolled back"}}');
SELECT pg_logical_emit_message(true, 'changefeed', '{"suppress": true}');
ROLLBACK TO SAVEPOINT one;
INSERT INTO orders VALUES ('after the savepoint', 'acme', 1);
COMMIT

BEGIN;
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "never"}}');
SELECT pg_logical_emit_message(false, 'changefeed', '{"change": {"topic": "orders", "document_id": "not transactional"}}');
ROLLBACK

INSERT INTO order_lines VALUES (1, 'a', 1);
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "a", "domain": "message"}}')

BEGIN;
INSERT INTO orders VALUES ('before', 'acme', 1);
SELECT pg_logical_emit_message(true, 'changefeed', '{"suppress": true}');
DELETE FROM orders WHERE order_id IN ('a', 'b');
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "in spite of it"}}');
COMMIT

BEGIN;
INSERT INTO orders SELECT 'o' || i, 'acme', 1 FROM generate_series(1, 4) i;
SELECT pg_logical_emit_message(true, 'changefeed', '{"suppress": true}');
INSERT INTO orders SELECT 'p' || i, 'acme', 1 FROM generate_series(1, 9) i;
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "o1"}}');
SELECT pg_logical_emit_message(true, 'changefeed', '{"change": {"topic": "orders", "document_id": "last"}}');
COMMIT

INSERT INTO orders VALUES ('published again', 'acme', 1)

SELECT pg_logical_emit_message(true, 'other', '{"suppress": true}');
SELECT pg_logical_emit_message(true, 'changefeed', 'anything'), pg_logical_emit_message(true, 'changefeed', repeat('x', 70000));
INSERT INTO orders VALUES ('in spite of what is malformed', 'acme', 1)
