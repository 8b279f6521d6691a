package setup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/cdc/setup"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// Each setting is found wanting, set as the remedy says, and found good after a
// restart.
func TestServerSettingsAreRefusedUntilSet(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		held     int      // replication slots of others
		want     []string // refusals
	}{
		{"wal_level", map[string]string{"wal_level": "replica"}, 0, []string{"wal_level is replica"}},
		{"slots and senders", map[string]string{"max_replication_slots": "1", "max_wal_senders": "0"}, 1, []string{
			"all 1 replication slots are in use", "all 0 replication connections (max_wal_senders) are in use",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := localpgtest.New(t, localpg.Config{Settings: tt.settings})
			dsn := server.DSN(localpgtest.DatabaseOn(t, server))
			t.Run("before", func(t *testing.T) {
				db := setupOn(t, dsn, orders, ordersRoute())
				for i := range tt.held {
					db.exec(fmt.Sprintf("SELECT pg_create_physical_replication_slot('held_%d')", i))
				}
				for _, want := range tt.want {
					f := db.want("refuse: server: " + want)
					db.follow(f, f.Remedies[0])
				}
				if _, err := setup.Plan(t.Context(), db.conn, db.cfg); !strings.Contains(fmt.Sprint(err), tt.want[0]) {
					t.Errorf("the plan is not refused: %v", err)
				}
			})
			if err := server.Restart(t.Context(), localpg.Fast); err != nil {
				t.Fatal(err)
			}
			t.Run("after", func(t *testing.T) {
				db := setupOn(t, dsn, "SELECT 1", ordersRoute())
				db.init()
				db.accepts()
			})
		})
	}
}

func TestStandbyIsRefused(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	dsn := server.DSN("postgres")
	t.Run("primary", func(t *testing.T) { setupOn(t, dsn, orders, ordersRoute()).init() })
	if err := server.Halt(t.Context(), localpg.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("standby", func(t *testing.T) {
		db := setupOn(t, dsn, "SELECT 1", ordersRoute())
		db.want("refuse: server: it is a standby")
		if _, err := setup.Plan(t.Context(), db.conn, db.cfg); !strings.Contains(fmt.Sprint(err), "set dsn to the primary") {
			t.Errorf("the plan is not refused: %v", err)
		}
	})
}

func TestSlotWhoseLogIsGoneIsRefused(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "wal_sender_timeout": "1500ms"}})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), orders, ordersRoute())
	f := db.want("refuse: server: wal_sender_timeout is 1.5s: the server would drop a publisher that reports every 1s")
	db.follow(f, f.Remedies[0])
	db.conn = connect(t, db.cfg.DSN)
	db.init()
	db.accepts()
	for range 3 {
		db.exec("UPDATE orders SET kind = kind", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	f = db.want("refuse: slot "+db.cfg.Slot, "changes since 0/", "can no longer be read")
	if _, err := setup.Plan(t.Context(), db.conn, db.cfg); !strings.Contains(fmt.Sprint(err), "can no longer be read") {
		t.Errorf("the plan is not refused: %v", err)
	}
	db.follow(f, f.Remedies[0])
	db.init()
	db.accepts()
}

func TestSlotThatIsReadIsNoReasonToRefuse(t *testing.T) {
	db := newSetupDB(t, orders, ordersRoute())
	db.init()
	reader, err := pgconn.Connect(t.Context(), db.cfg.DSN+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Conn().Close(); err != nil {
			t.Error(err)
		}
	}()
	reader.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT " + db.cfg.Slot + " LOGICAL 0/0 (proto_version '1', publication_names 'changefeed_main')"})
	if err := reader.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReceiveMessage(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.want(fmt.Sprintf("info: slot %s: process %d of the server is reading it", db.cfg.Slot, reader.PID()))
	db.accepts()
}

// What does not keep a publisher from working is said, and gone where the remedy
// has been followed.
func TestServerSettingsAreWarnedOfUntilSet(t *testing.T) {
	settings := map[string]string{"wal_sender_timeout": "20s"}
	server := localpgtest.New(t, localpg.Config{Settings: settings})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), orders, ordersRoute())
	db.init()
	warnings := []string{
		"warn: server: max_slot_wal_keep_size is not set",
		"warn: server: wal_sender_timeout is 20s",
	}
	for _, text := range warnings {
		f := db.want(text)
		db.follow(f, f.Remedies[0])
	}
	db.conn = connect(t, db.cfg.DSN) // a session can see the old settings for a moment
	for _, text := range warnings {
		if f := find(db.preflight(), text); f != nil {
			t.Errorf("the remedy did not help: %s", f)
		}
	}
	db.accepts()
}

// A slot that is behind its limit can still be saved.
func TestSlotThatIsAboutToBeLostIsWarnedOf(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "wal_keep_size": "0"}})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), orders, ordersRoute())
	db.init()
	for range 3 {
		db.exec("UPDATE orders SET kind = kind", "SELECT pg_switch_wal()")
	}
	f := db.want("warn: slot "+db.cfg.Slot, "the next checkpoint may remove")
	db.follow(f, f.Remedies[0])
	db.conn = connect(t, db.cfg.DSN)
	if f := find(db.preflight(), "the next checkpoint may remove"); f != nil {
		t.Errorf("the remedy did not help: %s", f)
	}
	db.exec("CHECKPOINT")
	db.accepts()
}
