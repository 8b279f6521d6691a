package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed"
	"changefeed/cdc"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

const things = "CREATE TABLE things (id int PRIMARY KEY, note text)"

// lsn reads a position of the server.
func (l *live) lsn(expression string) uint64 {
	l.Helper()
	n, err := strconv.ParseUint(l.text("SELECT ("+expression+" - '0/0')::text"), 10, 64)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

func (l *live) confirmed() uint64 {
	l.Helper()
	return l.lsn("(SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + l.cfg.Slot + "')")
}

// until waits for a condition that the server reports.
func (l *live) until(what string, holds func() bool) {
	l.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			l.Fatalf("not in time: %s\n%+v\n%s", what, l.publisher.Stats(), l.log)
		}
		l.exec("SELECT pg_sleep(0.005)")
	}
}

// The commit record of one transaction can begin at the byte at which that of
// another ends. Between two such the publisher is stopped.
func TestRestartBetweenAdjacentCommitsLosesNothing(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.init()
	l.start()
	others := [2]*pgx.Conn{connect(t, l.cfg.DSN), connect(t, l.cfg.DSN)}
	adjacent := 0
	for round := range 20 {
		for i, conn := range others {
			if _, err := conn.Exec(t.Context(), fmt.Sprintf("BEGIN; INSERT INTO things VALUES (%d)", 2*round+i)); err != nil {
				t.Fatal(err)
			}
		}
		l.fence()
		sink := l.sinks.last()
		sink.Hold()
		var pair []changefeed.Change
		var first uint64 // sequence number
		for i, conn := range others {
			before := len(sink.Changes())
			if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
				t.Fatal(err)
			}
			changes, err := sink.Wait(t.Context(), before+1)
			if err != nil {
				t.Fatal(err)
			}
			if pair = append(pair, changes[before]); i == 0 {
				first = sink.seq.Load()
			}
		}
		sink.Acknowledge(first)
		l.stop()
		l.until("the first is confirmed", func() bool { return l.confirmed() > pair[0].Position.LSN })
		sink.Fail(errors.New("nothing more is acknowledged"))
		<-l.done
		if l.err == nil {
			t.Fatal("a drain with an open transaction succeeded")
		}
		if l.confirmed() == pair[1].Position.LSN {
			adjacent++
		}
		l.start()
	}
	if adjacent == 0 {
		t.Error("no two commits were adjacent: nothing was tested")
	}
	t.Logf("%d of 20 pairs were adjacent", adjacent)
	times := make(map[string]int)
	for _, c := range l.published() {
		times[c.Meta.DocumentID]++
	}
	for id := range 40 {
		// The second of a round was published by both sessions.
		if want := 1 + id%2; times[strconv.Itoa(id)] != want {
			t.Errorf("thing %d was published %d times, want %d", id, times[strconv.Itoa(id)], want)
		}
	}
}

func TestNothingBeyondTheServersOwnFlushIsConfirmed(t *testing.T) {
	l := newLive(t, things+";\nCREATE TABLE unpublished (x text)", routed("things", "id"))
	l.init()
	l.start()
	check := func() {
		t.Helper()
		if confirmed, flushed := l.confirmed(), l.lsn("pg_current_wal_flush_lsn()"); confirmed > flushed {
			t.Fatalf("confirmed %X, beyond the server's flush position %X", confirmed, flushed)
		}
	}
	for i := range 100 {
		l.exec(fmt.Sprintf("INSERT INTO things VALUES (%d, repeat('x', %d))", i, 50*i))
		check()
	}
	// While nothing is published, confirmation goes on, or the log would pile up.
	for range 5 {
		l.exec("INSERT INTO unpublished SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
		end := l.lsn("pg_current_wal_lsn()")
		l.until("an idle publication is confirmed", func() bool { check(); return l.confirmed() >= end })
	}
	l.drain()
	check()
}

// Sessions are lost in the middle of what concurrent writers do. Everything
// arrives; what arrives twice has the same position and version.
func TestLostSessionsRepeatAndLoseNothing(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.cfg.PieceDocuments = 25
	l.init()
	l.start()
	const writers, sessions = 4, 5
	var (
		writing sync.WaitGroup
		counts  [writers]int // transactions of each writer, an insert and an update
		enough  = make(chan struct{})
	)
	rowsOf := func(i int) int { return []int{1, 3, 60}[i%3] }
	for w := range writers {
		conn := connect(t, l.cfg.DSN)
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-enough:
					return
				default:
				}
				first := (w*100_000 + i) * 1000
				_, err := conn.Exec(context.Background(), fmt.Sprintf(`INSERT INTO things SELECT %d + i FROM generate_series(1, %d) i`, first, rowsOf(i)))
				if err == nil {
					_, err = conn.Exec(context.Background(), fmt.Sprintf(`UPDATE things SET note = 'x' WHERE id = %d; SELECT pg_sleep(0.01)`, first+1))
				}
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				counts[w] = i + 1
			}
		})
	}
	for n := range uint64(sessions) {
		l.until("a session streams", func() bool { return l.publisher.Stats().Sessions > n && l.publisher.Stats().Streaming })
		before := l.publisher.Stats().Published
		l.until("the session publishes", func() bool { return l.publisher.Stats().Published >= before+100 })
		l.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '" + l.cfg.Slot + "'")
	}
	close(enough)
	writing.Wait()
	l.fence()
	l.drain()

	wanted := make(map[string]bool)
	changes := l.fences
	for w := range writers {
		for i := range counts[w] {
			changes += rowsOf(i) + 1
			for row := range rowsOf(i) {
				wanted[strconv.Itoa((w*100_000+i)*1000+1+row)] = true
			}
		}
	}
	at := make(map[changefeed.Position]string)
	newest := make(map[string]changefeed.Version)
	for _, one := range l.sinks.all {
		last := make(map[string]changefeed.Position)
		for _, c := range one.Changes() {
			id := c.Topic + " " + c.Meta.DocumentID
			if was, again := at[c.Position]; again && was != id {
				t.Errorf("position %v is %s and %s", c.Position, was, id)
			}
			at[c.Position] = id
			if before, known := last[id]; known && c.Position.Compare(before) <= 0 {
				t.Errorf("%s: position %v came after %v in one session", id, c.Position, before)
			}
			last[id] = c.Position
			newest[c.Meta.DocumentID] = max(newest[c.Meta.DocumentID], c.Version)
		}
	}
	for id := range wanted {
		if newest[id] == 0 {
			t.Errorf("thing %s was never published", id)
		}
	}
	t.Logf("%d changes over %d sessions, %d positions", len(l.published()), len(l.sinks.all), len(at))
	if len(at) != changes {
		t.Errorf("%d positions, want %d: one for each insert, update and fence", len(at), changes)
	}
}

func TestServerThatGoesAwayAndComesBackIsWaitedFor(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), things+";\nCREATE TABLE fence (id int PRIMARY KEY)", routed("things", "id"), fenceRoute())
	db.cfg.StatusInterval = 10 * time.Millisecond
	l := &live{setupDB: db, sinks: newSinks(), log: &logText{}}
	l.init()
	l.start()
	for i, mode := range []localpg.Mode{localpg.Fast, localpg.Immediate} {
		l.exec(fmt.Sprintf("INSERT INTO things VALUES (%d)", i))
		if err := l.conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		l.setupDB.conn = connect(t, l.cfg.DSN)
		l.fence()
	}
	seen := make(map[string]bool)
	for _, c := range l.published() {
		seen[c.Meta.DocumentID] = true
	}
	if !seen["0"] || !seen["1"] {
		t.Errorf("published %v, want 0 and 1", seen)
	}
	l.drain()
}

func TestSecondPublisherStandsByAndTakesOver(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.init()
	l.start()
	second := *l
	second.sinks, second.log = newSinks(), &logText{}
	standby, err := cdc.New(l.cfg, second.deps())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- standby.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	pid := l.text("SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = '" + l.cfg.Slot + "'")
	want := "waiting for slot (active for PID " + pid + ")"
	l.until(want, func() bool { return standby.Stats().State == want })

	refused := l.cfg
	refused.NoWait = true
	third, err := cdc.New(refused, second.deps())
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Run(t.Context()); !errors.Is(err, cdc.ErrSlotInUse) || !strings.Contains(err.Error(), pid) {
		t.Errorf("with NoWait Run = %v", err)
	}

	l.drain()
	l.exec("INSERT INTO things VALUES (1)")
	if err := second.sinks.await(t.Context(), "documents", "1"); err != nil {
		t.Error(err)
	}
}

func TestStandByWritesOneErrorIntoTheServersLog(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.init()
	l.start()
	deps := l.deps()
	dials := &countedDials{}
	deps.Dial = dials.dial
	standby, err := cdc.New(l.cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- standby.Run(ctx) }()
	l.until("the stand-by waits", func() bool { return strings.HasPrefix(standby.Stats().State, "waiting for slot") })
	l.until("the stand-by has looked some times", func() bool { return dials.written("active_pid") >= 5 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := dials.written("START_REPLICATION"); n != 1 {
		t.Errorf("the slot was asked for %d times, want once", n)
	}
}

func TestWhatTheServerLacksIsSaidWithARemedy(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	run := func() error {
		p, err := cdc.New(l.cfg, l.deps())
		if err != nil {
			t.Fatal(err)
		}
		return p.Run(t.Context())
	}
	if err := run(); !errors.Is(err, cdc.ErrPublicationMissing) {
		t.Errorf("without anything Run = %v", err)
	}
	l.exec("CREATE PUBLICATION changefeed_main FOR TABLE things, fence")
	if err := run(); !errors.Is(err, cdc.ErrSlotMissing) {
		t.Errorf("without a slot Run = %v", err)
	}
	l.exec("SELECT pg_create_logical_replication_slot('" + l.cfg.Slot + "', 'pgoutput')")
	l.start()
	l.exec("DROP PUBLICATION changefeed_main;\nINSERT INTO things VALUES (1)")
	<-l.done
	if !errors.Is(l.err, cdc.ErrPublicationMissing) {
		t.Errorf("with the publication dropped Run = %v", l.err)
	}
	// It is there again, but not where the log has to be read.
	l.exec("CREATE PUBLICATION changefeed_main FOR TABLE things, fence")
	if err := run(); !errors.Is(err, cdc.ErrPublicationMissing) {
		t.Errorf("with the publication made anew Run = %v", err)
	}
}

func TestDeletionWithoutItsIDStopsThePublisher(t *testing.T) {
	thing := routed("things", "code")
	l := newLive(t, "CREATE TABLE things (id int PRIMARY KEY, code text NOT NULL)", thing)
	l.exec("CREATE PUBLICATION changefeed_main FOR TABLE things, fence;\nSELECT pg_create_logical_replication_slot('" + l.cfg.Slot + "', 'pgoutput')")
	l.start()
	l.exec("INSERT INTO things VALUES (1, 'x')")
	l.fence()
	before := l.lsn("pg_current_wal_lsn()")
	l.exec("DELETE FROM things")
	<-l.done
	var identity *cdc.IdentityError
	if !errors.As(l.err, &identity) || identity.LSN < before || !strings.Contains(l.err.Error(), "(code)") {
		t.Errorf("Run = %v", l.err)
	}
	if confirmed := l.confirmed(); confirmed > identity.LSN {
		t.Errorf("confirmed %X, beyond the deletion at %X", confirmed, identity.LSN)
	}
}

func TestWrongPasswordEndsAtOnceAndIsNotRepeated(t *testing.T) {
	server := localpgtest.Shared(t)
	l := newLive(t, things, routed("things", "id"))
	cfg, err := pgconn.ParseConfig(server.TCPDSN(l.text("SELECT current_database()")))
	if err != nil {
		t.Fatal(err)
	}
	l.cfg.DSN = fmt.Sprintf("host=%s port=%d user=%s password=hunter2 dbname=%s", cfg.Host, cfg.Port, cfg.User, cfg.Database)
	p, err := cdc.New(l.cfg, l.deps())
	if err != nil {
		t.Fatal(err)
	}
	err = p.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "check the user and the password") || strings.Contains(err.Error()+l.log.String(), "hunter2") {
		t.Errorf("Run = %v", err)
	}
	l.cfg.DSN = "postgres://me:hunter2@[/x"
	if _, err = cdc.New(l.cfg, l.deps()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("New = %v", err)
	}
}
