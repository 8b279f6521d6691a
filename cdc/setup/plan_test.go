package setup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc"
	"changefeed/cdc/setup"
)

const lines = `;
CREATE TABLE lines (line_id int PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, kind text);
INSERT INTO lines SELECT i, i FROM generate_series(1, 10) i`

// published returns each publication with its operations and lists.
func (db *setupDB) published() string {
	db.Helper()
	return db.text(`SELECT coalesce(string_agg(format('%s %s: %s', p.pubname,
			concat_ws(',', CASE WHEN p.pubinsert THEN 'i' END, CASE WHEN p.pubupdate THEN 'u' END,
				CASE WHEN p.pubdelete THEN 'd' END, CASE WHEN p.pubtruncate THEN 't' END),
			(SELECT string_agg(format('%I.%I%s', t.schemaname, t.tablename, t.attnames), ' ' ORDER BY t.schemaname, t.tablename)
			 FROM pg_publication_tables t WHERE t.pubname = p.pubname)), E'\n' ORDER BY p.pubname), '')
		FROM pg_publication p`)
}

func (db *setupDB) identities() string {
	db.Helper()
	return db.text(`SELECT coalesce(string_agg(format('%s %s %s', c.relname, c.relreplident, pg_get_indexdef(i.indexrelid)), E'\n' ORDER BY c.relname), '')
		FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident
		WHERE c.relkind = 'r' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
}

func TestSetUpMakesWhatTheConfigurationSays(t *testing.T) {
	db := newSetupDB(t, orders+lines+`;
CREATE TABLE history (tid int, delta int);
CREATE TABLE "Mixed Case" ("Id" uuid PRIMARY KEY, "Domain" text NOT NULL, "a""b" text, kind text);
CREATE TABLE notes (note_id int PRIMARY KEY, order_id bigint, kind text);
CREATE TABLE coded (n int PRIMARY KEY, code uuid NOT NULL UNIQUE, kind text);
CREATE TABLE whole (id int, kind text);
ALTER TABLE whole REPLICA IDENTITY FULL`,
		func() cdc.Table {
			route := ordersRoute()
			route.DocumentSubtype = cdc.Value{Column: "kind"}
			route.Deleted = cdc.Condition{Column: "state", Bit: 64}
			return route
		}(),
		satellite("lines", "orders", "order_id"),
		withOperations(satellite("notes", "orders", "order_id"), cdc.Insert|cdc.Update),
		withOperations(routed("history", "tid"), cdc.Insert),
		func() cdc.Table {
			route := withDomain(routed(`"Mixed Case"`, "Id"), "Domain")
			route.DocumentSubtype = cdc.Value{Column: `a"b`}
			return route
		}(),
		routed("coded", "code"),
		routed("whole", "id"),
	)
	db.init()
	db.accepts()
	want := `changefeed_main i,u,d,t: public."Mixed Case"{Id,Domain,"a\"b"} public.coded{code} public.lines{line_id,order_id} public.orders{order_id,tenant,kind,state} public.whole{id,kind}
changefeed_main_insert i,t: public.history{tid}
changefeed_main_insert_update i,u,t: public.notes{note_id,order_id}`
	if diff := cmp.Diff(want, db.published()); diff != "" {
		t.Errorf("publications (-want +got):\n%s", diff)
	}
	want = `Mixed Case i CREATE UNIQUE INDEX "changefeed_Mixed Case_identity" ON public."Mixed Case" USING btree ("Id", "Domain")
coded i CREATE UNIQUE INDEX changefeed_coded_identity ON public.coded USING btree (code)
history d 
lines i CREATE UNIQUE INDEX changefeed_lines_identity ON public.lines USING btree (order_id, line_id)
notes d 
orders i CREATE UNIQUE INDEX changefeed_orders_identity ON public.orders USING btree (order_id, tenant)
whole f `
	if diff := cmp.Diff(want, db.identities()); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
	for _, table := range []string{"lines", "orders", `"Mixed Case"`, "notes", "coded", "whole"} {
		db.writes(table)
	}
	db.want("info: table public.notes: an update that moves a row to another parent is a change of the new parent alone")
	db.want("info: table public.whole: its replica identity is the whole row")
}

func TestPlanPrintsAScriptThatSetsUp(t *testing.T) {
	db := newSetupDB(t, orders+lines, ordersRoute(), satellite("lines", "orders", "order_id"))
	script := db.plan().SQL()
	want := `-- Run the statements one by one: those without BEGIN must be outside a transaction.
SET statement_timeout = 0;
SET lock_timeout = 0;

-- 1. index what a deleted row of public.orders has to name: order_id, tenant; the application goes on writing meanwhile, transactions that are open now are waited for
CREATE UNIQUE INDEX CONCURRENTLY changefeed_orders_identity ON public.orders (order_id, tenant);

-- 2. make it the replica identity of public.orders; this takes an ACCESS EXCLUSIVE lock for a moment, and gives up rather than let the application wait
BEGIN;
SET LOCAL lock_timeout = '1s';
ALTER TABLE public.orders REPLICA IDENTITY USING INDEX changefeed_orders_identity;
COMMIT;

-- 3. index what a deleted row of public.lines has to name: order_id, line_id; the application goes on writing meanwhile, transactions that are open now are waited for
CREATE UNIQUE INDEX CONCURRENTLY changefeed_lines_identity ON public.lines (order_id, line_id);

-- 4. make it the replica identity of public.lines; this takes an ACCESS EXCLUSIVE lock for a moment, and gives up rather than let the application wait
BEGIN;
SET LOCAL lock_timeout = '1s';
ALTER TABLE public.lines REPLICA IDENTITY USING INDEX changefeed_lines_identity;
COMMIT;

-- 5. publish the tables, each with the columns that are read; a listed column cannot be dropped or change its type while it is listed
CREATE PUBLICATION changefeed_main FOR TABLE public.orders (order_id, tenant), public.lines (order_id, line_id) WITH (publish = 'insert, update, delete, truncate');

-- 6. make the slot, from which on nothing committed is missed; it waits until the transactions that are open now have ended
SELECT pg_create_logical_replication_slot('SLOT', 'pgoutput');
`
	if diff := cmp.Diff(want, strings.ReplaceAll(script, db.cfg.Slot, "SLOT")); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	db.exec(script)
	if steps := db.plan(); len(steps) != 0 {
		t.Errorf("after the script something is left to do:\n%s", steps.SQL())
	}
	db.accepts()
	if got := db.plan().SQL(); got != "-- Nothing to do.\n" {
		t.Errorf("empty plan: %q", got)
	}
}

func TestScriptHoldsOnlyCommentsBesidesItsStatements(t *testing.T) {
	db := newSetupDB(t, "CREATE TABLE \"x\nDROP TABLE y\" (id int PRIMARY KEY, d text NOT NULL)",
		withDomain(cdc.Table{Name: cdc.TableName{Schema: "public", Name: "x\nDROP TABLE y"}, Topic: "t", DocumentID: []string{"id"}}, "d"))
	for line := range strings.Lines(db.plan().SQL()) {
		if strings.HasPrefix(line, "DROP TABLE y;") || strings.HasPrefix(line, "DROP TABLE y\": ") {
			t.Errorf("a comment has become a statement: %q", line)
		}
	}
	db.init()
}

// Each configuration follows another in one database. The application goes on
// after every single step.
func TestSetUpFollowsTheConfiguration(t *testing.T) {
	all := []cdc.Table{ordersRoute(), satellite("lines", "orders", "order_id")}
	db := newSetupDB(t, orders+lines, ordersRoute())
	byKind := ordersRoute()
	byKind.Domain.Column = "region"
	db.exec("ALTER TABLE orders ADD region text NOT NULL DEFAULT 'eu'", "ALTER TABLE orders ADD code uuid NOT NULL DEFAULT gen_random_uuid()")
	for i, routes := range [][]cdc.Table{ // each follows the one before
		{ordersRoute()},
		all,              // a table more
		{byKind, all[1]}, // another domain: the index is replaced by one of the other name
		{withDomain(routed("orders", "code"), "region"), all[1]},   // another id, back to the first name
		{withOperations(routed("orders", "order_id"), cdc.Insert)}, // publishes less, elsewhere
		{withOperations(routed("orders", "order_id"), cdc.Insert|cdc.Update)},
		all, // and back
	} {
		db.cfg.Tables = routes
		for _, step := range db.plan() {
			db.apply(setup.Steps{step})
			db.exec("BEGIN", "UPDATE orders SET kind = kind", "UPDATE lines SET kind = kind", "DELETE FROM lines", "DELETE FROM orders", "ROLLBACK")
		}
		if steps := db.plan(); len(steps) != 0 {
			t.Errorf("configuration %d: not finished by its plan:\n%s", i, steps.SQL())
		}
		db.accepts()
	}
}

func TestUnfinishedIndexIsReplaced(t *testing.T) {
	db := newSetupDB(t, orders, ordersRoute())
	// A failed CREATE INDEX CONCURRENTLY leaves an invalid index: here, of rows that are not unique.
	if _, err := db.conn.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY changefeed_orders_identity ON orders (kind)"); err == nil {
		t.Fatal("the index was built")
	}
	steps := db.plan()
	if want := "DROP INDEX CONCURRENTLY public.changefeed_orders_identity"; steps[0].SQL[0] != want {
		t.Errorf("first step %q, want %q", steps[0].SQL[0], want)
	}
	db.init()
	db.accepts()
}

func TestLongNamesStayApart(t *testing.T) {
	long := strings.Repeat("é", 31)
	db := newSetupDB(t, `CREATE TABLE "`+long+`" (id int PRIMARY KEY, d text NOT NULL);
CREATE TABLE "`+long[:60]+`" (id int PRIMARY KEY, d text NOT NULL)`,
		withDomain(routed(`"`+long+`"`, "id"), "d"), withDomain(routed(`"`+long[:60]+`"`, "id"), "d"))
	db.init()
	db.accepts()
}

func TestPartitionsArePublishedEachWithItsIdentity(t *testing.T) {
	db := newSetupDB(t, `CREATE TABLE orders (order_id int, tenant text NOT NULL, kind text, PRIMARY KEY (order_id)) PARTITION BY RANGE (order_id);
CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (9);
CREATE TABLE high (kind text, tenant text NOT NULL, order_id int NOT NULL);
ALTER TABLE orders ATTACH PARTITION high FOR VALUES FROM (9) TO (99);
INSERT INTO orders SELECT i, 'a' FROM generate_series(1, 20) i`,
		withDomain(routed("low", "order_id"), "tenant"), withDomain(routed("high", "order_id"), "tenant"))
	db.init()
	db.accepts()
	db.writes("orders")
}
