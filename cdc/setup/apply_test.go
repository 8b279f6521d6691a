package setup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/cdc"
	"changefeed/cdc/setup"
)

// hastily applies what is planned in the background.
func (db *setupDB) hastily(ctx context.Context, steps setup.Steps) (*journal, <-chan error) {
	db.Helper()
	j, log := newJournal()
	result := make(chan error, 1)
	go func() { result <- setup.ApplyHastily(ctx, db.conn, steps, log) }()
	return j, result
}

// await returns when a log line holds the text.
func (j *journal) await(t *testing.T, text string) {
	t.Helper()
	for {
		select {
		case line := <-j.line:
			if strings.Contains(line, text) {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("no log line with %q", text)
		}
	}
}

// other is a second connection to the database in a transaction that has run
// the SQL.
func (db *setupDB) other(sql string) pgx.Tx {
	db.Helper()
	tx, err := connect(db.T, db.cfg.DSN).Begin(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	if _, err := tx.Exec(db.Context(), sql); err != nil {
		db.Fatal(err)
	}
	return tx
}

const built = ordersWithIndex + ";\nCREATE UNIQUE INDEX changefeed_orders_identity ON orders (order_id, tenant)"

const ordersWithIndex = "CREATE TABLE orders (order_id bigint PRIMARY KEY, tenant text NOT NULL, kind text)"

func TestLockedTableIsTriedAgain(t *testing.T) {
	db := newSetupDB(t, built, ordersRoute())
	reader := db.other("SELECT FROM orders")
	j, result := db.hastily(t.Context(), db.plan())
	j.await(t, "trying again")
	if err := reader.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	db.accepts()
}

func TestLockThatIsNeverFreeEndsSetUpBeforeThePublication(t *testing.T) {
	db := newSetupDB(t, built, ordersRoute())
	reader := db.other("SELECT FROM orders")
	_, result := db.hastily(t.Context(), db.plan())
	if err := <-result; err == nil || !strings.Contains(err.Error(), "choose a quieter time") {
		t.Errorf("error %v", err)
	}
	if got := db.published(); got != "" {
		t.Errorf("published all the same: %s", got)
	}
	if err := reader.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.init()
	db.accepts()
}

func TestSlotWaitsForOpenTransactionsAndSaysSo(t *testing.T) {
	db := newSetupDB(t, ordersWithIndex, withOperations(ordersRoute(), cdc.Insert))
	writer := db.other("INSERT INTO orders VALUES (1, 'a')")
	j, result := db.hastily(t.Context(), db.plan())
	j.await(t, fmt.Sprintf("waits_for_pids=[%d]", writer.Conn().PgConn().PID()))
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	db.accepts()
}

func TestCancelledSetUpLeavesNoSlot(t *testing.T) {
	db := newSetupDB(t, ordersWithIndex, withOperations(ordersRoute(), cdc.Insert))
	db.other("INSERT INTO orders VALUES (1, 'a')")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	j, result := db.hastily(ctx, db.plan())
	j.await(t, "still setting up")
	cancel()
	err := <-result
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); !ok || server.Code != "57014" {
		t.Errorf("the server has not said that it cancelled: %v", err)
	}
	db.conn = connect(t, db.cfg.DSN)
	if got := db.text("SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1", db.cfg.Slot); got != "0" {
		t.Error("the slot is there")
	}
}

func TestRoleThatDoesNotOwnTheTablesIsTold(t *testing.T) {
	db := newSetupDB(t, ordersWithIndex, ordersRoute())
	role := "role_" + strings.TrimPrefix(db.cfg.Slot, "slot_")
	db.exec("CREATE ROLE "+role+" LOGIN REPLICATION", "GRANT SELECT ON orders TO "+role)
	db.conn = connect(t, strings.Replace(db.cfg.DSN, "postgres@", role+"@", 1))
	_, result := db.hastily(t.Context(), db.plan())
	if err := <-result; err == nil || !strings.Contains(err.Error(), "changefeed init --dry-run") {
		t.Errorf("error %v", err)
	}
}

func TestChangedPublicationsWarnOfTheBacklog(t *testing.T) {
	db := newSetupDB(t, orders+lines, ordersRoute())
	db.init()
	db.cfg.Tables = append(db.cfg.Tables, satellite("lines", "orders", "order_id"))
	j, log := newJournal()
	if err := setup.Apply(t.Context(), db.conn, db.plan(), log); err != nil {
		t.Fatal(err)
	}
	if want := "rows of public.lines that were written before this are in no topic: then run changefeed backfill public.orders"; !strings.Contains(j.String(), want) {
		t.Errorf("no warning %q in:\n%s", want, j.String())
	}
	db.cfg.Tables[0].DocumentSubtype = cdc.Value{Column: "kind"}
	if got := db.plan().SQL(); !strings.Contains(got, "-- Note: rows of public.orders that were written before this come with the former columns") {
		t.Errorf("no note in:\n%s", got)
	}
	db.cfg.Publication = "another"
	if got := db.plan().SQL(); !strings.Contains(got, "-- Note: publication another is younger than slot") {
		t.Errorf("no note in:\n%s", got)
	}
}

func TestSubscribedTablesKeepTheirIdentity(t *testing.T) {
	publisher := newSetupDB(t, ordersWithIndex+";\nCREATE PUBLICATION p FOR TABLE orders", ordersRoute())
	db := newSetupDB(t, ordersWithIndex, routed("orders", "tenant"))
	name := "sub_" + db.cfg.Slot
	db.exec("CREATE SUBSCRIPTION " + name + " CONNECTION '" + publisher.cfg.DSN + "' PUBLICATION p WITH (create_slot = false, slot_name = none, enabled = false, copy_data = false)")
	t.Cleanup(func() { _, _ = connectAnew(t, db.cfg.DSN).Exec(context.Background(), "DROP SUBSCRIPTION "+name) })
	f := db.want("refuse: table public.orders", "a subscription of this database finds rows of the table by it")
	if !db.follow(f, f.Remedies[0]) {
		t.Errorf("nothing to follow: %s", f)
	}
	db.init()
	db.accepts()
}

// connectAnew is for clean-ups, after the test's context has ended.
func connectAnew(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := setup.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
