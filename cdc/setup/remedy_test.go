package setup_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/internal/localpg/localpgtest"
)

const orders = `CREATE TABLE orders (order_id bigint PRIMARY KEY, tenant text NOT NULL, kind text, state int, total numeric);
INSERT INTO orders SELECT i, 'acme', 'web', 0, i FROM generate_series(1, 20) i`

func ordersRoute() cdc.Table { return withDomain(routed("orders", "order_id"), "tenant") }

// Every way out that a refusal offers is followed from the same start: then
// the finding is gone, what is left can be solved by following further, and the
// application's updates and deletions work all the time.
func TestEachRemedySolvesItsRefusal(t *testing.T) {
	tests := []struct {
		name     string
		sql      string
		routes   []cdc.Table
		initial  bool     // set up before the rest of the SQL, after "-- then"
		want     []string // of the finding
		remedies int      // how many can be followed by this test; the others are for people
		frozen   bool     // orders is nothing that the application can update before
	}{
		{
			name: "publication missing", sql: orders, routes: []cdc.Table{routed("orders", "order_id")},
			want: []string{"refuse: publication changefeed_main: it does not exist"}, remedies: 1,
		},
		{
			name: "slot missing", sql: orders + ";\nCREATE PUBLICATION changefeed_main FOR TABLE orders (order_id) WITH (publish = 'insert, update, delete, truncate')",
			routes: []cdc.Table{routed("orders", "order_id")},
			want:   []string{"refuse: slot slot_", "it does not exist"}, remedies: 1,
		},
		{
			name: "identity lacks the document id", sql: orders + ";\nALTER TABLE orders ADD code text NOT NULL UNIQUE DEFAULT gen_random_uuid()",
			routes: []cdc.Table{withDomain(routed("orders", "code"), "tenant")},
			want:   []string{"refuse: table public.orders: its replica identity (the primary key: order_id) does not hold code, tenant"}, remedies: 1,
		},
		{
			name: "identity lacks a document id that is not unique", sql: orders, routes: []cdc.Table{routed("orders", "tenant")},
			want: []string{"refuse: table public.orders", "does not hold tenant"}, remedies: 1,
		},
		{
			name: "nullable document id", sql: orders + ";\nUPDATE orders SET kind = order_id::text", routes: []cdc.Table{routed("orders", "kind")},
			want: []string{"refuse: table public.orders: document_id holds kind, which can be null"}, remedies: 3,
		},
		{
			name: "document id of a published table that becomes nullable", routes: []cdc.Table{routed("orders", "tenant")}, initial: true,
			sql:  orders + "-- then\nALTER TABLE orders REPLICA IDENTITY DEFAULT;\nALTER TABLE orders ALTER tenant DROP NOT NULL",
			want: []string{"refuse: table public.orders: document_id holds tenant, which can be null"}, remedies: 3,
		},
		{
			name: "no key", sql: "CREATE TABLE orders (order_id int NOT NULL, tenant text NOT NULL, kind text)", routes: []cdc.Table{ordersRoute()},
			want: []string{"refuse: table public.orders: it has no primary key"}, remedies: 3,
		},
		{
			name: "only a deferrable key", sql: "CREATE TABLE orders (order_id int PRIMARY KEY DEFERRABLE, tenant text NOT NULL, kind text)",
			routes: []cdc.Table{withOperations(routed("orders", "order_id"), cdc.Insert|cdc.Update)},
			want:   []string{"refuse: table public.orders: it has no primary key"}, remedies: 2, // it cannot have a second primary key
		},
		{
			name: "identity turned off", sql: orders + ";\nALTER TABLE orders REPLICA IDENTITY NOTHING", routes: []cdc.Table{ordersRoute()},
			want: []string{"refuse: table public.orders: its replica identity (none) does not hold order_id, tenant, and somebody turned it off"}, remedies: 2,
		},
		{
			name: "identity is another's", routes: []cdc.Table{ordersRoute()},
			sql:  orders + ";\nCREATE UNIQUE INDEX theirs ON orders (total);\nALTER TABLE orders ALTER total SET NOT NULL;\nALTER TABLE orders REPLICA IDENTITY USING INDEX theirs",
			want: []string{"refuse: table public.orders: its replica identity (the index theirs: total)", "somebody else has chosen it"}, remedies: 2,
		},
		{
			name: "identity serves another publication", sql: orders + ";\nCREATE PUBLICATION other FOR TABLE orders (order_id, kind)",
			routes: []cdc.Table{routed("orders", "tenant")},
			want:   []string{"refuse: table public.orders", "publication other relies on it too"}, remedies: 2,
		},
		{
			name: "identity serves a publication that filters", sql: orders + ";\nCREATE PUBLICATION other FOR TABLE orders WHERE (order_id > 0)",
			routes: []cdc.Table{routed("orders", "tenant")},
			want:   []string{"refuse: table public.orders", "publication other relies on it too"}, remedies: 1,
		},
		{
			name: "column list does not cover the identity", routes: []cdc.Table{routed("orders", "order_id")}, initial: true, frozen: true,
			sql:  orders + "-- then\nALTER PUBLICATION changefeed_main SET TABLE orders (kind)",
			want: []string{"refuse: publication changefeed_main", "does not hold order_id of the replica identity: the server refuses the application's updates"}, remedies: 1,
		},
		{
			name: "column list lacks a routed column", routes: []cdc.Table{ordersRoute()}, initial: true,
			sql:  orders + "-- then\nALTER TABLE orders REPLICA IDENTITY DEFAULT;\nALTER PUBLICATION changefeed_main SET TABLE orders (order_id)",
			want: []string{"refuse: publication changefeed_main", "does not hold tenant, which the route reads"}, remedies: 1,
		},
		{
			name: "publication lacks a table", routes: []cdc.Table{ordersRoute(), satellite("lines", "orders", "order_id")}, initial: true,
			sql:  orders + lines + "-- then\nALTER PUBLICATION changefeed_main DROP TABLE lines",
			want: []string{"refuse: publication changefeed_main", "it does not list public.lines"}, remedies: 1,
		},
		{
			name: "publication filters rows", routes: []cdc.Table{ordersRoute()}, initial: true,
			sql:  orders + "-- then\nALTER PUBLICATION changefeed_main SET TABLE orders (order_id, tenant) WHERE (order_id > 3)",
			want: []string{"refuse: publication changefeed_main", "it filters rows of public.orders"}, remedies: 1,
		},
		{
			name: "publication has other operations", routes: []cdc.Table{ordersRoute()}, initial: true,
			sql:  orders + "-- then\nALTER PUBLICATION changefeed_main SET (publish = 'insert')",
			want: []string{"refuse: publication changefeed_main: it publishes insert, not insert, update, delete"}, remedies: 1,
		},
		{
			name: "publication goes by partition roots", routes: []cdc.Table{ordersRoute()}, initial: true,
			sql:  orders + "-- then\nALTER PUBLICATION changefeed_main SET (publish_via_partition_root)",
			want: []string{"refuse: publication changefeed_main", "publish_via_partition_root is on"}, remedies: 1,
		},
		{
			name: "publication lists whole schemas", routes: []cdc.Table{ordersRoute()}, initial: true,
			sql:  orders + "-- then\nCREATE SCHEMA s;\nALTER PUBLICATION changefeed_main SET TABLES IN SCHEMA s",
			want: []string{"refuse: publication changefeed_main", "it lists whole schemas"}, remedies: 1,
		},
		{
			name: "table is left in another of our publications", routes: []cdc.Table{withOperations(routed("orders", "order_id"), cdc.Insert)}, initial: true,
			sql:  orders + "-- then\nCREATE PUBLICATION changefeed_main FOR TABLE orders (order_id, kind)",
			want: []string{"refuse: publication changefeed_main: it still lists public.orders"}, remedies: 1,
		},
		{
			name: "publication for all tables", sql: orders + ";\nCREATE PUBLICATION changefeed_main FOR ALL TABLES", routes: []cdc.Table{routed("orders", "order_id")},
			want: []string{"refuse: publication changefeed_main: it is FOR ALL TABLES"},
		},
		{
			name: "table missing", frozen: true, sql: "CREATE TABLE order_s (order_id int PRIMARY KEY)", routes: []cdc.Table{routed("orders", "order_id")},
			want: []string{"refuse: table public.orders: it does not exist"},
		},
		{
			name: "schema missing", sql: orders, routes: []cdc.Table{routed("pubic.orders", "order_id")},
			want: []string{"refuse: table pubic.orders: schema pubic does not exist"},
		},
		{
			name: "column missing", sql: orders, routes: []cdc.Table{withDomain(routed("orders", "order_id"), "tennant")},
			want: []string{"refuse: table public.orders: column tennant, which domain.column names, does not exist"},
		},
		{
			name: "generated column", sql: orders + ";\nALTER TABLE orders ADD g text GENERATED ALWAYS AS (tenant || kind) STORED", routes: []cdc.Table{withDomain(routed("orders", "order_id"), "g")},
			want: []string{"refuse: table public.orders: column g, which domain.column names, is generated"},
		},
		{
			name: "partition without a key", routes: []cdc.Table{ordersRoute()},
			sql:  "CREATE TABLE orders (order_id int NOT NULL, tenant text NOT NULL, kind text) PARTITION BY RANGE (order_id);\nCREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (9)",
			want: []string{"refuse: table public.low: it has no primary key"}, remedies: 3,
		},
		{
			name: "view", frozen: true, sql: "CREATE VIEW orders AS SELECT 1 AS order_id", routes: []cdc.Table{routed("orders", "order_id")},
			want: []string{"refuse: table public.orders: it is a view"},
		},
		{
			name: "foreign table", frozen: true, routes: []cdc.Table{routed("orders", "order_id")},
			sql:  "CREATE FOREIGN DATA WRAPPER w;\nCREATE SERVER s FOREIGN DATA WRAPPER w;\nCREATE FOREIGN TABLE orders (order_id int) SERVER s",
			want: []string{"refuse: table public.orders: it is a foreign table"},
		},
		{
			name: "unlogged table", sql: strings.Replace(orders, "CREATE TABLE", "CREATE UNLOGGED TABLE", 1), routes: []cdc.Table{ordersRoute()},
			want: []string{"refuse: table public.orders: it is not logged"}, remedies: 1,
		},
	}
	dsn := localpgtest.Database(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := func(t *testing.T) (*setupDB, *setup.Finding) {
				t.Helper()
				before, after, _ := strings.Cut(tt.sql, "-- then\n")
				db := setupOn(t, dsn, empty, slices.Clone(tt.routes)...)
				db.exec(before)
				if tt.initial {
					db.init()
					db.exec(after)
				}
				return db, db.want(tt.want...)
			}
			db, finding := start(t)
			followed := 0
			for i := range finding.Remedies {
				if i > 0 {
					db, finding = start(t)
				}
				remedy := finding.Remedies[i]
				if !tt.frozen {
					db.writes("orders")
				}
				if !db.follow(finding, remedy) {
					continue
				}
				followed++
				db.writes("orders")
				if f := find(db.preflight(), finding.Subject, finding.Problem); f != nil {
					t.Errorf("after the remedy %q still: %s", remedy.Text, f)
				}
				db.followAll()
				db.accepts()
				db.writes("orders")
			}
			if followed != tt.remedies {
				t.Errorf("%d of the remedies can be followed, want %d: %s", followed, tt.remedies, finding)
			}
		})
	}
}

// followAll follows first remedies until there is no refusal.
func (db *setupDB) followAll() {
	db.Helper()
	for range 10 {
		refusals := db.preflight().Refusals()
		if len(refusals) == 0 {
			return
		}
		if f := &refusals[0]; !db.follow(f, f.Remedies[0]) {
			db.Fatalf("no way on from: %s", f)
		}
		db.writes("orders")
	}
	db.Fatal("following remedies does not end")
}

// writes requires that the application can update and delete every row of a
// table, and leaves it as it was.
func (db *setupDB) writes(table string) {
	db.Helper()
	for _, sql := range []string{"UPDATE %[1]s SET kind = kind", "DELETE FROM %[1]s"} {
		db.exec("BEGIN")
		_, err := db.conn.Exec(db.Context(), fmt.Sprintf(sql, table))
		db.exec("ROLLBACK")
		if err != nil {
			db.Errorf("the application is harmed: %v", err)
		}
	}
}

// empty takes back what a test has made.
const empty = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database();
DO $$DECLARE name text; BEGIN
	FOR name IN SELECT pubname FROM pg_publication LOOP EXECUTE format('DROP PUBLICATION %I', name); END LOOP; END$$;
DROP SCHEMA IF EXISTS s CASCADE;
DROP FOREIGN DATA WRAPPER IF EXISTS w CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public`
