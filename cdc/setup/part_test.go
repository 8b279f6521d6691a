package setup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc"
	"changefeed/cdc/setup"
)

// regional is partitioned twice over, and one partition has its columns in
// another order and under a name that needs quotes.
const regional = `CREATE TABLE orders (order_id int, tenant text NOT NULL, region text, kind text, PRIMARY KEY (order_id, region)) PARTITION BY LIST (region);
CREATE TABLE east PARTITION OF orders FOR VALUES IN ('east');
CREATE TABLE west PARTITION OF orders FOR VALUES IN ('west') PARTITION BY RANGE (order_id);
CREATE TABLE west_low PARTITION OF west FOR VALUES FROM (0) TO (10);
CREATE SCHEMA "Far";
CREATE TABLE "Far"."West High" (kind text, region text NOT NULL, tenant text NOT NULL, order_id int NOT NULL);
ALTER TABLE west ATTACH PARTITION "Far"."West High" FOR VALUES FROM (10) TO (99);
INSERT INTO orders SELECT i, 'a', CASE WHEN i % 2 = 0 THEN 'east' ELSE 'west' END FROM generate_series(1, 20) i`

func TestRouteOfAPartitionedTablePublishesEachPartitionWithItsIdentity(t *testing.T) {
	db := newSetupDB(t, regional, ordersRoute())
	for _, step := range db.plan() {
		db.apply(setup.Steps{step})
		db.writes("orders")
	}
	if steps := db.plan(); len(steps) != 0 {
		t.Errorf("a second set-up is not empty:\n%s", steps.SQL())
	}
	db.accepts()
	want := `changefeed_main i,u,d,t: "Far"."West High"{region,tenant,order_id} public.east{order_id,tenant,region} public.west_low{order_id,tenant,region}`
	if diff := cmp.Diff(want, db.published()); diff != "" {
		t.Errorf("publications (-want +got):\n%s", diff)
	}
	want = `West High i CREATE UNIQUE INDEX "changefeed_West High_identity" ON "Far"."West High" USING btree (order_id, tenant, region)
east i CREATE UNIQUE INDEX changefeed_east_identity ON public.east USING btree (order_id, tenant, region)
west_low i CREATE UNIQUE INDEX changefeed_west_low_identity ON public.west_low USING btree (order_id, tenant, region)`
	if diff := cmp.Diff(want, db.identities()); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
}

func TestPartitionsWithRoutesOfTheirOwnKeepThem(t *testing.T) {
	low := withOperations(routed("west_low", "order_id"), cdc.Insert)
	west := routed("west", "order_id")
	west.DocumentSubtype = cdc.Value{Column: "kind"}
	db := newSetupDB(t, regional, ordersRoute(), low, west)
	db.init()
	db.accepts()
	want := `changefeed_main i,u,d,t: "Far"."West High"{kind,region,order_id} public.east{order_id,tenant,region}
changefeed_main_insert i,t: public.west_low{order_id}`
	if diff := cmp.Diff(want, db.published()); diff != "" {
		t.Errorf("publications (-want +got):\n%s", diff)
	}
	db.writes("orders")
}

func TestPartitionThatCameLaterIsWarnedOfAndPublishedByAnotherSetUp(t *testing.T) {
	db := newSetupDB(t, regional, ordersRoute())
	db.init()
	db.exec("CREATE TABLE north PARTITION OF orders FOR VALUES IN ('north')",
		"CREATE TABLE south (LIKE orders)", "ALTER TABLE orders ATTACH PARTITION south FOR VALUES IN ('south')")
	db.accepts()
	f := db.want("warn: table public.orders: of its parts these are not published", "public.north, public.south")
	if !strings.Contains(f.String(), "changefeed backfill public.orders") || !strings.Contains(f.String(), "$ changefeed init") {
		t.Errorf("what to do is missing in: %s", f)
	}
	db.writes("orders")
	db.follow(f, f.Remedies[0])
	if f := find(db.preflight(), "warn: table"); f != nil {
		t.Errorf("still: %s", f)
	}
	db.writes("orders")
}

// What stands against publishing a partition does not stop the others, and is
// refused when it would be published.
func TestPartitionThatCannotBePublishedDoesNotStopTheOthers(t *testing.T) {
	db := newSetupDB(t, regional, ordersRoute())
	db.init()
	db.exec("CREATE UNLOGGED TABLE north PARTITION OF orders FOR VALUES IN ('north')")
	db.accepts()
	_, err := setup.Plan(t.Context(), db.conn, db.cfg)
	if err == nil || !strings.Contains(err.Error(), "table public.north: it is not logged") {
		t.Errorf("Plan: %v", err)
	}
}

func TestForeignPartitionsAreWarnedOfAndLeftOut(t *testing.T) {
	db := newSetupDB(t, regional+`;
DROP TABLE east;
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER s FOREIGN DATA WRAPPER w`, withOperations(ordersRoute(), cdc.Insert))
	db.exec("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "CREATE FOREIGN TABLE east PARTITION OF orders FOR VALUES IN ('east') SERVER s")
	db.init()
	db.accepts()
	db.want("warn: table public.orders", "foreign tables", "public.east")
}

func TestDetachedPartitionIsWarnedOfAndTakenOut(t *testing.T) {
	db := newSetupDB(t, regional, ordersRoute())
	db.init()
	db.exec("ALTER TABLE orders DETACH PARTITION east")
	db.accepts()
	f := db.want("warn: publication changefeed_main: it lists public.east, which is not its own to list")
	db.follow(f, f.Remedies[0])
	if strings.Contains(db.published(), "east") {
		t.Errorf("still published: %s", db.published())
	}
	db.writes("orders")
	db.writes("east")
}

func TestPartitionedTableWithoutPartitionsIsSetUp(t *testing.T) {
	db := newSetupDB(t, "CREATE TABLE orders (order_id int PRIMARY KEY, tenant text NOT NULL, kind text) PARTITION BY RANGE (order_id)", ordersRoute())
	db.init()
	db.accepts()
	f := db.want("info: table public.orders: it has no partitions")
	db.exec("CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (9)")
	if f := db.want("refuse: publication changefeed_main", "it does not list public.low"); f.Remedies[0].Command != "changefeed init" {
		t.Errorf("not to be solved by another set-up: %s", f)
	}
	db.follow(f, f.Remedies[0])
	db.accepts()
	db.exec("DROP TABLE low")
	db.init()
	db.accepts()
	db.exec("CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (9)")
	db.init()
	db.exec("ALTER TABLE orders DETACH PARTITION low")
	db.init()
	if got, want := db.published(), "changefeed_main i,u,d,t: "; got != want {
		t.Errorf("published %q, want %q", got, want)
	}
}

// A publication FOR TABLE lists the tables that inherit from it at that moment
// too, with its columns, unless it says ONLY.
func TestTablesThatInheritArePublishedEachWithItsIdentity(t *testing.T) {
	db := newSetupDB(t, orders+`;
CREATE TABLE special (extra int, PRIMARY KEY (order_id)) INHERITS (orders);
CREATE TABLE very_special (PRIMARY KEY (extra, order_id)) INHERITS (special);
CREATE TABLE plain (CONSTRAINT one UNIQUE (order_id, tenant)) INHERITS (orders);
CREATE TEMPORARY TABLE passing () INHERITS (orders);
INSERT INTO special VALUES (101, 'acme', 'web')`, ordersRoute())
	for _, step := range db.plan() {
		db.apply(setup.Steps{step})
		db.writes("orders")
	}
	if steps := db.plan(); len(steps) != 0 {
		t.Errorf("a second set-up is not empty:\n%s", steps.SQL())
	}
	db.accepts()
	want := `changefeed_main i,u,d,t: public.orders{order_id,tenant} public.plain{order_id,tenant} public.special{order_id,tenant} public.very_special{order_id,tenant,extra}`
	if diff := cmp.Diff(want, db.published()); diff != "" {
		t.Errorf("publications (-want +got):\n%s", diff)
	}
	db.exec("CREATE TABLE late (PRIMARY KEY (order_id)) INHERITS (orders)")
	db.accepts()
	f := db.want("warn: table public.orders: of its parts these are not published", "public.late")
	db.follow(f, f.Remedies[0])
	if f := find(db.preflight(), "warn: table"); f != nil {
		t.Errorf("still: %s", f)
	}
	db.writes("orders")
	db.exec("ALTER TABLE late NO INHERIT orders")
	db.want("warn: publication changefeed_main: it lists public.late, which is not its own to list")
}

func TestPartsOfSatellitesNameTheParentInDeletions(t *testing.T) {
	db := newSetupDB(t, orders+`;
CREATE TABLE lines (line_id int, order_id bigint NOT NULL, kind text, PRIMARY KEY (line_id)) PARTITION BY RANGE (line_id);
CREATE TABLE lines_low PARTITION OF lines FOR VALUES FROM (0) TO (10)`, ordersRoute(), satellite("lines", "orders", "order_id"))
	db.init()
	db.accepts()
	want := "changefeed_main i,u,d,t: public.lines_low{line_id,order_id} public.orders{order_id,tenant}"
	if diff := cmp.Diff(want, db.published()); diff != "" {
		t.Errorf("publications (-want +got):\n%s", diff)
	}
}
