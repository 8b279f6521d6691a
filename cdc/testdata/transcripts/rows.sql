INSERT INTO orders VALUES ('a', 'acme', 1, NULL, 'new')

INSERT INTO orders VALUES ('b', 'acme', 2), ('c', 'globex', NULL), ('d', 'globex', 9)

UPDATE orders SET note = 'a column that is not published' WHERE order_id = 'a'

UPDATE orders SET tenant = 'initech' WHERE order_id = 'a'

UPDATE orders SET deleted_on = now() WHERE order_id = 'b'

UPDATE orders SET order_id = 'e' WHERE order_id = 'c'

DELETE FROM orders WHERE order_id = 'd'

INSERT INTO orders VALUES ('a', 'initech', 2) ON CONFLICT (order_id) DO UPDATE SET state = excluded.state

UPDATE orders SET state = state WHERE order_id = 'a'

INSERT INTO orders VALUES ('', 'acme', 1)

DELETE FROM orders WHERE order_id = 'nothing'
