INSERT INTO orders VALUES ('a', 'acme', 1);
UPDATE orders SET state = 2 WHERE order_id = 'a';
UPDATE orders SET note = 'x' WHERE order_id = 'a'

INSERT INTO orders VALUES ('b', 'acme', 1);
DELETE FROM orders WHERE order_id = 'b'

DELETE FROM orders WHERE order_id = 'a';
INSERT INTO orders VALUES ('a', 'acme', 9)

BEGIN;
INSERT INTO orders VALUES ('kept', 'acme', 1);
SAVEPOINT one;
INSERT INTO orders VALUES ('rolled back', 'acme', 1);
UPDATE orders SET state = 2 WHERE order_id = 'kept';
ROLLBACK TO SAVEPOINT one;
SAVEPOINT two;
INSERT INTO orders VALUES ('kept too', 'acme', 1);
RELEASE SAVEPOINT two;
COMMIT

BEGIN;
INSERT INTO orders VALUES ('never', 'acme', 1);
ROLLBACK

INSERT INTO orders VALUES ('c', 'acme', 1), ('d', 'acme', 1);
UPDATE orders SET order_id = 'swap' WHERE order_id = 'c';
UPDATE orders SET order_id = 'c' WHERE order_id = 'd';
UPDATE orders SET order_id = 'd' WHERE order_id = 'swap'

BEGIN;
INSERT INTO orders VALUES ('prepared', 'acme', 1);
DO $$ BEGIN
  INSERT INTO orders VALUES ('in a subtransaction', 'acme', 1);
  BEGIN
    INSERT INTO orders VALUES ('that fails', 'acme', 1);
    RAISE EXCEPTION 'no';
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
END $$;
COMMIT
