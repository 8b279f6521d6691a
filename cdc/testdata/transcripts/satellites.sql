INSERT INTO orders VALUES ('a', 'acme', 1), ('b', 'globex', 2);
INSERT INTO order_lines VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', 30)

INSERT INTO order_lines VALUES (4, 'a', 40)

UPDATE order_lines SET amount = 11

UPDATE order_lines SET order_id = 'b' WHERE line_id = 1

DELETE FROM order_lines WHERE line_id = 1

UPDATE orders SET deleted_on = now() WHERE order_id = 'b'

INSERT INTO order_lines VALUES (5, 'b', 50)

UPDATE orders SET order_id = 'c' WHERE order_id = 'b'

UPDATE order_lines SET amount = 12 WHERE line_id = 3;
UPDATE orders SET tenant = 'initech', state = 9 WHERE order_id = 'a'

DELETE FROM orders WHERE order_id = 'a'

ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey

INSERT INTO order_lines VALUES (6, 'no such order', 60);
INSERT INTO orders VALUES ('d', 'acme', 1);
INSERT INTO order_lines VALUES (7, 'c', 70)
