package setup_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"changefeed/cdc"
	"changefeed/cdc/setup"
)

func TestSlipsOfThePenAreRecognised(t *testing.T) {
	db := newSetupDB(t, `CREATE TABLE "Order_Items" ("Id" int PRIMARY KEY, tenant text NOT NULL)`,
		routed("order_items", "Id"), withDomain(routed(`"Order_Items"`, `"Id"`), "tennant"))
	for want, f := range map[string]*setup.Finding{
		`is it public."Order_Items"?`:          db.want("refuse: table public.order_items"),
		"correct document_id: is it Id?":       db.want("refuse", `"Order_Items"`, "document_id"),
		"correct domain.column: is it tenant?": db.want("refuse", "domain.column"),
	} {
		if !strings.Contains(f.String(), want) {
			t.Errorf("want %q in: %s", want, f)
		}
	}
}

func TestWarningsDoNotRefuse(t *testing.T) {
	t.Run("deletions without domain", func(t *testing.T) {
		db := newSetupDB(t, orders+";\nALTER TABLE orders ALTER tenant DROP NOT NULL", ordersRoute())
		db.init()
		f := db.want("warn: table public.orders: its domain column tenant can be null")
		db.accepts()
		db.follow(f, f.Remedies[0])
		db.init()
		if f := find(db.preflight(), "warn: table"); f != nil {
			t.Errorf("still: %s", f)
		}
		db.writes("orders")
	})
	t.Run("domain left out of an identity that is another's", func(t *testing.T) {
		db := newSetupDB(t, orders+";\nCREATE PUBLICATION other FOR TABLE orders (order_id)", ordersRoute())
		db.init()
		db.accepts()
		db.writes("orders")
		f := db.want("warn: table public.orders", "deletions will have no domain", "publication other relies on it too")
		db.follow(f, f.Remedies[0])
		db.writes("orders")
		if f := find(db.preflight(), "warn: table"); f != nil {
			t.Errorf("still: %s", f)
		}
	})
	t.Run("publication does not truncate, and lists what is not routed", func(t *testing.T) {
		db := newSetupDB(t, orders+lines, ordersRoute())
		db.init()
		db.exec("ALTER PUBLICATION changefeed_main ADD TABLE lines (line_id)", "ALTER PUBLICATION changefeed_main SET (publish = 'insert, update, delete')")
		f := db.want("warn: publication changefeed_main: it does not publish truncate", "it lists public.lines, which is not its own to list")
		db.accepts()
		db.follow(f, f.Remedies[0])
		if f := find(db.preflight(), "warn: publication"); f != nil {
			t.Errorf("still: %s", f)
		}
	})
}

// Creating the publication by hand before the identity would make the
// application's updates fail.
func TestSQLOfPublicationsIsGivenOnceIdentitiesAreRight(t *testing.T) {
	db := newSetupDB(t, orders+lines, ordersRoute(), satellite("lines", "orders", "order_id"))
	for _, table := range []string{"lines", "orders"} {
		for _, subject := range []string{"refuse: publication changefeed_main", "refuse: slot " + db.cfg.Slot} {
			if sql := db.want(subject).Remedies[0].SQL; sql != nil {
				t.Errorf("%s: SQL %q before the identity of %s is right", subject, sql, table)
			}
		}
		db.exec(db.want("table public."+table, "does not hold").Remedies[0].SQL...)
	}
	if sql := db.want("refuse: publication changefeed_main").Remedies[0].SQL; sql == nil {
		t.Error("no SQL though identities are right")
	}
}

func TestParentIDsOfAnotherTypeAreNoted(t *testing.T) {
	db := newSetupDB(t, orders+";\nCREATE TABLE lines (line_id int PRIMARY KEY, order_id int NOT NULL, by_number numeric NOT NULL);\nCREATE TABLE more (LIKE lines INCLUDING ALL)",
		ordersRoute(), satellite("lines", "orders", "order_id"), satellite("more", "orders", "by_number"))
	db.want("warn: table public.more: its by_number is numeric, order_id of its parent public.orders is bigint")
	if f := find(db.preflight(), "warn: table public.lines: its order_id"); f != nil {
		t.Errorf("unwanted: %s", f)
	}
}

func TestInsertionsNeedNoKey(t *testing.T) {
	db := newSetupDB(t, "CREATE TABLE history (tid int, delta int)", withOperations(routed("history", "tid"), cdc.Insert))
	if steps := db.plan(); len(steps) != 2 {
		t.Errorf("want a publication and a slot alone:\n%s", steps.SQL())
	}
	db.init()
	db.accepts()
	db.exec("INSERT INTO history VALUES (1, 2)", "UPDATE history SET delta = 3", "DELETE FROM history")
}

func TestLeastPrivilegedRolePasses(t *testing.T) {
	db := newSetupDB(t, "CREATE SCHEMA shop;\nCREATE TABLE shop.orders (order_id int PRIMARY KEY, tenant text NOT NULL, secret text)",
		withDomain(routed("shop.orders", "order_id"), "tenant"))
	db.init()
	role := "role_" + strings.TrimPrefix(db.cfg.Slot, "slot_")
	db.exec("CREATE ROLE " + role + " LOGIN") // it goes with the server
	owner := db.conn
	db.conn = connect(t, strings.Replace(db.cfg.DSN, "postgres@", role+"@", 1))
	for _, want := range []string{"it may not replicate", "may not use its schema", "may not read order_id, tenant"} {
		f := db.want("refuse", want)
		superuser := *db
		superuser.conn = owner
		superuser.follow(f, f.Remedies[0])
		if f := find(db.preflight(), want); f != nil {
			t.Errorf("still: %s", f)
		}
	}
	db.accepts()
}

func TestForeignSlotsAreRefused(t *testing.T) {
	for name, create := range map[string]string{
		"of another plugin":   "SELECT pg_create_logical_replication_slot($1, 'test_decoding')",
		"physical":            "SELECT pg_create_physical_replication_slot($1)",
		"of another database": "SELECT pg_create_logical_replication_slot($1, 'pgoutput')",
	} {
		t.Run(name, func(t *testing.T) {
			db := newSetupDB(t, orders, ordersRoute())
			maker := db.conn
			if name == "of another database" {
				maker = newSetupDB(t, "SELECT 1", ordersRoute()).conn
			}
			if _, err := maker.Exec(t.Context(), create, db.cfg.Slot); err != nil {
				t.Fatal(err)
			}
			f := db.want("refuse: slot " + db.cfg.Slot)
			if _, err := setup.Plan(t.Context(), db.conn, db.cfg); !strings.Contains(fmt.Sprint(err), f.Problem) {
				t.Errorf("the plan is not refused: %v", err)
			}
			(&setupDB{T: t, conn: maker}).follow(f, f.Remedies[1])
			db.init()
			db.accepts()
		})
	}
}

func TestRefusalErrorTellsWhatToDo(t *testing.T) {
	db := newSetupDB(t, orders, withDomain(routed("orders", "order_id"), "tennant"))
	_, err := setup.Plan(t.Context(), db.conn, db.cfg)
	refusal, ok := errors.AsType[*setup.RefusalError](err)
	if !ok {
		t.Fatalf("want a *RefusalError, not %v", err)
	}
	want := "preflight refused:\nrefuse: table public.orders: column tennant, which domain.column names, does not exist\n" +
		"  do: correct domain.column: is it tenant?"
	if refusal.Error() != want {
		t.Errorf("got:\n%s\nwant:\n%s", refusal, want)
	}
}
