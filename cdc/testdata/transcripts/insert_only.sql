INSERT INTO audit VALUES (1, 'x'), (1, 'x'), (2, 'y/z')

COPY audit FROM PROGRAM 'for i in 1 2 3 4 5 6 7 8; do echo "$i,copied"; done' WITH (FORMAT csv)

UPDATE audit SET what = 'changed' WHERE at = 1

DELETE FROM audit

INSERT INTO audit VALUES (NULL, 'no time'), (NULL, NULL)
