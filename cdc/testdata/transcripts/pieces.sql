INSERT INTO orders SELECT 'o' || i, 'acme', 1 FROM generate_series(1, 14) i

UPDATE orders SET state = 2;
INSERT INTO order_lines VALUES (1, 'o1', 1);
DELETE FROM orders WHERE order_id = 'o2'

DO $$ BEGIN
  FOR i IN 1..9 LOOP
    INSERT INTO audit VALUES (i, 'x');
    UPDATE orders SET state = i WHERE order_id = 'o3';
  END LOOP;
END $$
