INSERT INTO "Mixed Case" VALUES ('x', 1, 'Thing', 0), ('x/y', 1, NULL, 6), ('100%', 2, 'Thing', 7)

UPDATE "Mixed Case" SET "Flags" = 4 WHERE "Part A" = 'x/y'

UPDATE "Mixed Case" SET b = 3 WHERE "Part A" = '100%'

DELETE FROM "Mixed Case" WHERE "Part A" = 'x'
