package cdc_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// watched is a publisher that looks at its slot all the time, on a server of its
// own: what others do on a shared one would be seen too.
func watched(t *testing.T, settings map[string]string, sql string, routes ...cdc.Table) *live {
	t.Helper()
	server := localpgtest.New(t, localpg.Config{Settings: settings})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), sql+";\nCREATE TABLE fence (id int PRIMARY KEY)", append(routes, fenceRoute())...)
	db.cfg.StatusInterval = 10 * time.Millisecond
	db.cfg.WatchInterval = 20 * time.Millisecond
	db.cfg.RetainedWarning = 1 << 20
	return &live{setupDB: db, sinks: newSinks(), log: &logText{}}
}

// line returns the first line of the log that has all of these texts.
func (l *live) line(parts ...string) string {
	for line := range strings.Lines(l.log.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return line
		}
	}
	return ""
}

// write adds to the log what nobody reads.
func (l *live) write(bytes int) {
	l.Helper()
	l.exec("SELECT pg_logical_emit_message(false, 'filler', repeat('x', " + strconv.Itoa(bytes) + "))")
}

func TestTransactionThatHoldsTheLogIsFoundAndEnded(t *testing.T) {
	l := watched(t, map[string]string{"max_prepared_transactions": "4"}, things+";\nCREATE TABLE others (id int)", routed("things", "id"))
	l.init()
	l.start()
	for _, tt := range []struct{ begin, remedy string }{
		{"BEGIN; INSERT INTO others VALUES (1)", `SELECT pg_terminate_backend\(\d+\)`},
		{"BEGIN; INSERT INTO others VALUES (2); PREPARE TRANSACTION 'left'", `ROLLBACK PREPARED 'left'`},
	} {
		old, err := pgx.Connect(t.Context(), l.cfg.DSN) // one of the two is cut off
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Exec(t.Context(), tt.begin); err != nil {
			t.Fatal(err)
		}
		const held, over = "an old transaction makes the server keep", "that old transaction does not make the server keep"
		l.until("the transaction is named", func() bool { l.write(1 << 17); l.exec("CHECKPOINT"); return l.line(held) != "" })
		sql := regexp.MustCompile(tt.remedy).FindString(l.line(held))
		if sql == "" {
			t.Fatalf("no %s in %s", tt.remedy, l.line(held))
		}
		l.exec(sql)
		l.until("its end is said", func() bool { l.write(1 << 17); l.exec("CHECKPOINT"); return l.line(over) != "" })
		if n := strings.Count(l.log.String(), held); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, l.log)
		}
		l.log.clear()
		_ = old.Close(t.Context())
	}
	if s := l.publisher.Stats().Slot; s.WALStatus != "reserved" || s.SafeWALSize != nil {
		t.Errorf("the slot is %+v", s)
	}
}

// While the sink takes nothing, the log piles up: that is said, with numbers, and
// how near the slot is to its limit.
func TestSlotThatKeepsTooMuchIsReported(t *testing.T) {
	l := watched(t, map[string]string{"max_slot_wal_keep_size": "20MB", "wal_keep_size": "0"}, things, routed("things", "id"))
	l.cfg.RetainedWarning = 4 << 20
	l.init()
	l.start()
	sink := l.sinks.last()
	sink.Hold()
	l.exec("INSERT INTO things VALUES (1, 'is not acknowledged')")
	const retained, near = "the slot keeps much", "the slot is near its limit"
	l.until(retained, func() bool { l.write(1 << 20); return l.line(retained) != "" })
	l.until(near, func() bool { l.write(1 << 20); return l.line(near) != "" })
	s := l.publisher.Stats().Slot
	if s.RetainedBytes < 4<<20 || s.LagBytes < 4<<20 || s.SafeWALSize == nil || *s.SafeWALSize > 4<<20 {
		t.Errorf("the slot is %+v", s)
	}
	sql := regexp.MustCompile(`ALTER SYSTEM SET max_slot_wal_keep_size = '40MB'; SELECT pg_reload_conf\(\)`).FindString(l.line(near))
	l.exec(strings.Split(sql, "; ")...)
	const far, less = "the slot is far from its limit again", "the slot keeps less of the server's log again"
	l.until(far, func() bool { return l.line(far) != "" })
	sink.Release()
	l.until(less, func() bool { l.exec("CHECKPOINT"); return l.line(less) != "" })
}

func TestRoutedTableThatIsNotPublishedIsReported(t *testing.T) {
	l := watched(t, nil, things+`;
CREATE TABLE "Odd 'name'" (id int PRIMARY KEY)`, routed("things", "id"), routed(`public."Odd 'name'"`, "id"))
	l.init()
	l.start()
	l.exec("ALTER PUBLICATION changefeed_main DROP TABLE things", `DROP TABLE "Odd 'name'"`)
	const unpublished, missing = "is in no publication of its route", "does not exist any more"
	l.until(unpublished, func() bool { return l.line(unpublished, "public.things", "changefeed backfill public.things") != "" })
	l.until(missing, func() bool { return l.line(missing, "Odd 'name'") != "" })
	l.exec(`CREATE TABLE "Odd 'name'" (id int PRIMARY KEY)`)
	l.init()
	for _, name := range []string{"public.things", "Odd 'name'"} {
		l.until("the end is said", func() bool { return l.line("level=INFO", name, "published again") != "" })
	}
	if n := strings.Count(l.log.String(), unpublished); n > 2 { // the second table may be seen between its making and init
		t.Errorf("said %d times:\n%s", n, l.log)
	}
}

// A partition that was attached later holds rows that nobody publishes.
func TestPartitionThatIsNotPublishedIsReported(t *testing.T) {
	l := watched(t, nil, things+`;
CREATE TABLE parts (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)`, routed("things", "id"), routed("parts_1", "id", "day"))
	l.init()
	parts := routed("parts", "id", "day")
	l.cfg.Tables = append(l.cfg.Tables, parts)
	l.start()
	l.exec("CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)")
	l.until("the partition is named", func() bool {
		return l.line("is in no publication", "public.parts_2", "changefeed backfill public.parts") != ""
	})
	if l.line("is in no publication", "public.parts_1") != "" {
		t.Errorf("a published partition is reported:\n%s", l.log)
	}
}

// Without pg_monitor the publisher says what to grant.
func TestRoleWithFewRightsIsToldWhatToGrant(t *testing.T) {
	l := watched(t, nil, things+`;
CREATE ROLE publisher LOGIN REPLICATION;
GRANT SELECT ON things TO publisher`, routed("things", "id"))
	l.init()
	super := l.cfg.DSN
	l.cfg.DSN = strings.Replace(super, "postgres://postgres@", "postgres://publisher@", 1)
	if l.cfg.DSN == super {
		t.Fatal(super)
	}
	l.start()
	old := connect(t, super)
	if _, err := old.Exec(t.Context(), "BEGIN; INSERT INTO things VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	const grant = "GRANT pg_monitor TO publisher"
	l.until("what to grant is said", func() bool { l.write(1 << 17); l.exec("CHECKPOINT"); return l.line("may not see", "pid=", grant) != "" })
	l.exec(grant)
	l.until("its age is told", func() bool { l.write(1 << 17); return l.line("pid=", "age=") != "" })
}
