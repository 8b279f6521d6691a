CREATE TABLE orders (order_id text PRIMARY KEY, tenant text NOT NULL, state int, deleted_on timestamptz, note text);
CREATE TABLE order_lines (line_id int PRIMARY KEY, order_id text NOT NULL REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE, amount int);
CREATE TABLE audit (at int, what text);
CREATE TABLE "Mixed Case" ("Part A" text, b int, "Kind" text, "Flags" int, note text, PRIMARY KEY ("Part A", b))
