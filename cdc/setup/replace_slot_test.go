package setup_test

import (
	"strconv"
	"testing"

	"changefeed/cdc/setup"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// lsn reads a position of the server.
func (db *setupDB) lsn(expression string) uint64 {
	db.Helper()
	n, err := strconv.ParseUint(db.text("SELECT ("+expression+" - '0/0')::text"), 10, 64)
	if err != nil {
		db.Fatal(err)
	}
	return n
}

func TestLostSlotIsReplacedAndItsGapTold(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "wal_keep_size": "0"}})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), orders, ordersRoute())
	db.init()
	_, log := newJournal()
	if lost, err := setup.SlotLost(t.Context(), db.conn, db.cfg); err != nil || lost {
		t.Fatalf("a new slot is lost: %v, %v", lost, err)
	}
	if _, err := setup.ReplaceSlot(t.Context(), db.conn, db.cfg, 0, log); err == nil {
		t.Fatal("a slot that can be read was replaced")
	}
	confirmed := db.lsn("(SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + db.cfg.Slot + "')")
	for range 3 {
		db.exec("UPDATE orders SET kind = kind", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	end := db.lsn("pg_current_wal_lsn()")
	if lost, err := setup.SlotLost(t.Context(), db.conn, db.cfg); err != nil || !lost {
		t.Fatalf("the slot is not lost: %v, %v", lost, err)
	}
	gap, err := setup.ReplaceSlot(t.Context(), db.conn, db.cfg, 7, log)
	if err != nil {
		t.Fatal(err)
	}
	if gap.From != confirmed || gap.To < end {
		t.Errorf("the gap is %X to %X, want %X to at least %X", gap.From, gap.To, confirmed, end)
	}
	db.accepts()
	db.exec("SELECT pg_drop_replication_slot('" + db.cfg.Slot + "')")
	if gap, err = setup.ReplaceSlot(t.Context(), db.conn, db.cfg, end, log); err != nil || gap.From != end || gap.To <= end {
		t.Errorf("the gap of a slot that vanished is %+v, %v", gap, err)
	}
	db.accepts()
}

// Where something else is not as it has to be, the slot is left.
func TestLostSlotIsNotReplacedWithoutItsPublication(t *testing.T) {
	db := newSetupDB(t, orders, ordersRoute())
	_, log := newJournal()
	if _, err := setup.ReplaceSlot(t.Context(), db.conn, db.cfg, 0, log); err == nil {
		t.Error("a slot was made before its publication")
	}
	if n := db.text("SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1", db.cfg.Slot); n != "0" {
		t.Errorf("%s slots", n)
	}
}
