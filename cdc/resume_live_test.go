package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/cdctest"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// mortalDials opens connections that all end at once, as those of a process do.
type mortalDials struct {
	mu    sync.Mutex
	dead  bool
	conns []net.Conn
}

func (d *mortalDials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		conn.Close()
		return nil, errors.New("the process is dead")
	}
	d.conns = append(d.conns, conn)
	return conn, nil
}

func (d *mortalDials) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	for _, conn := range d.conns {
		conn.Close()
	}
}

// immortal is a source on a server of its own, whose publishers die.
type immortal struct {
	*live
	server      *localpg.Server
	topics      *cdctest.Topics
	checkpoints *cdctest.Checkpoints
	dials       *mortalDials
}

// audited is a table, and one that its triggers write each change of it to.
const audited = things + `;
CREATE TABLE audit (id text NOT NULL);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.id::text); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TABLE fence (id int PRIMARY KEY)`

func newImmortal(t *testing.T) *immortal {
	t.Helper()
	server := localpgtest.New(t, localpg.Config{})
	db := setupOn(t, server.DSN(localpgtest.DatabaseOn(t, server)), audited, routed("things", "id"), fenceRoute())
	db.cfg.StatusInterval, db.cfg.PieceDocuments = 10*time.Millisecond, 25
	db.init()
	return &immortal{
		live: &live{setupDB: db, sinks: newSinks(), log: &logText{}}, server: server,
		topics: cdctest.NewTopics(4, "documents", fenceTopic), checkpoints: cdctest.NewCheckpoints(),
	}
}

// start starts a publisher.
func (m *immortal) start() {
	m.Helper()
	m.dials = &mortalDials{}
	p, err := cdc.New(m.cfg, cdc.Deps{
		OpenSink: m.topics.Open, Checkpoints: m.checkpoints, Tails: m.topics, Dial: m.dials.dial,
		Log: slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		m.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.publisher, m.stop, m.done = p, stop, done
	go func() {
		defer close(done)
		m.err = p.Run(ctx)
	}()
	m.Cleanup(func() {
		stop()
		if sink := m.topics.Sink(); sink != nil {
			sink.Release()
		}
		<-done
	})
}

// kill ends the publisher as the death of its process does. Of what was on its
// way a part arrives.
func (m *immortal) kill() {
	m.dials.die()
	m.stop()
	<-m.done
	if sink := m.topics.Sink(); sink != nil {
		sink.Arrive(func(string, int) int { return rand.IntN(100) })
		sink.Lose()
	}
}

// restart restarts the server.
func (m *immortal) restart(mode localpg.Mode) {
	m.Helper()
	if err := m.conn.Close(m.Context()); err != nil {
		m.Fatal(err)
	}
	if err := m.server.Restart(m.Context(), mode); err != nil {
		m.Fatal(err)
	}
	m.live.conn = connect(m.T, m.cfg.DSN)
}

// fence waits until everything that was committed before has been published.
func (m *immortal) fence() {
	m.Helper()
	m.fences++
	m.exec("INSERT INTO fence VALUES (" + strconv.Itoa(m.fences) + ")")
	ctx, cancel := context.WithTimeout(m.Context(), 30*time.Second)
	defer cancel()
	if err := m.topics.Wait(ctx, fenceTopic, strconv.Itoa(m.fences)); err != nil {
		m.Fatalf("fence %d was not published in time: %+v\n%s", m.fences, m.publisher.Stats(), m.log)
	}
}

// holdsTheAudit compares what the topic holds with what the triggers wrote.
func (m *immortal) holdsTheAudit() (changes int) {
	m.Helper()
	want, got := make(map[string]int), make(map[string]int)
	rows, err := m.conn.Query(m.Context(), "SELECT id FROM audit")
	if err != nil {
		m.Fatal(err)
	}
	var id string
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { want[id]++; return nil }); err != nil {
		m.Fatal(err)
	}
	at := make(map[changefeed.Position]bool)
	for n, partition := range m.topics.Partitions("documents") {
		var last changefeed.Position
		for _, c := range partition {
			got[c.Meta.DocumentID]++
			changes++
			if at[c.Position] {
				m.Errorf("%v, %s, came twice", c.Position, c.Meta.DocumentID)
			}
			at[c.Position] = true
			if c.Position.Compare(last) <= 0 {
				m.Errorf("partition %d: %v came after %v", n, c.Position, last)
			}
			last = c.Position
		}
	}
	if !maps.Equal(want, got) {
		m.Errorf("the topic holds %d changes of %d documents, the audit %d of %d", changes, len(got), sum(want), len(want))
	}
	return changes
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// write makes changes until it is told to stop. A server that goes away is come
// back to.
func (m *immortal) write(writer int, enough <-chan struct{}) {
	var conn *pgx.Conn
	for i := writer * 1_000_000; ; i += 100 {
		select {
		case <-enough:
			if conn != nil {
				conn.Close(context.Background())
			}
			return
		default:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(context.Background(), m.cfg.DSN); err != nil {
				conn = nil
				continue
			}
		}
		rows := []int{1, 3, 70}[i/100%3]
		_, _ = conn.Exec(context.Background(), fmt.Sprintf("INSERT INTO things SELECT %d + i FROM generate_series(1, %d) i", i, rows))
		_, _ = conn.Exec(context.Background(), fmt.Sprintf("UPDATE things SET note = 'x' WHERE id = %d; SELECT pg_sleep(0.005)", i+1))
	}
}

// acknowledge is a slow broker: it takes some batches now and then.
func (m *immortal) acknowledge(enough <-chan struct{}) {
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-enough:
			return
		case <-ticker.C:
		}
		if sink := m.topics.Sink(); sink != nil {
			sink.Acknowledge(1 + rand.IntN(3))
		}
	}
}

// Publishers, their connections, their sinks and the server die under load.
// Nothing is lost, and nothing comes twice.
func TestAbruptEndsLoseAndRepeatNothing(t *testing.T) {
	m := newImmortal(t)
	m.topics.Hold(true)
	m.start()
	enough := make(chan struct{})
	var working sync.WaitGroup
	for w := range 4 {
		working.Go(func() { m.write(w, enough) })
	}
	working.Go(func() { m.acknowledge(enough) })
	ends := []string{"process", "connection", "sink", "process", "server", "process", "connection", "process", "sink", "process", "server", "process"}
	var skipped uint64
	for _, end := range ends {
		before := m.publisher.Stats().Acknowledged
		m.until("some changes are acknowledged", func() bool { return m.publisher.Stats().Acknowledged >= before+300 })
		switch end {
		case "process":
			skipped += m.publisher.Stats().Skipped
			m.kill()
			m.start()
		case "connection":
			m.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '" + m.cfg.Slot + "'")
		case "sink":
			m.topics.Sink().Fail(errors.New("a record was refused"))
		case "server":
			m.restart(localpg.Immediate)
		}
	}
	close(enough)
	working.Wait()
	m.topics.Hold(false)
	m.topics.Sink().Release()
	m.fence()
	skipped += m.publisher.Stats().Skipped
	m.drain()
	changes := m.holdsTheAudit()
	t.Logf("%d changes over %d ends, %d passed over", changes, len(ends), skipped)
	if skipped == 0 {
		t.Error("nothing was read again: nothing was tested")
	}
	if saved := m.checkpoints.Saved("main"); saved.Epoch != 1 || !saved.Closed {
		t.Errorf("saved %+v, want a closed checkpoint of epoch 1", saved)
	}
}

// halt stops the server, and resume starts it again.
func (m *immortal) halt() {
	m.Helper()
	if err := m.conn.Close(m.Context()); err != nil {
		m.Fatal(err)
	}
	if err := m.server.Halt(m.Context(), localpg.Fast); err != nil {
		m.Fatal(err)
	}
}

func (m *immortal) resume() {
	m.Helper()
	if err := m.server.Resume(m.Context()); err != nil {
		m.Fatal(err)
	}
	m.live.conn = connect(m.T, m.cfg.DSN)
}

// The server recovers from its archive to the end of its log: it goes on in the
// next timeline, with everything that was published.
func TestNextTimelineWithoutLossRepeatsNothing(t *testing.T) {
	m := newImmortal(t)
	m.exec("ALTER SYSTEM SET restore_command = 'false'")
	m.start()
	m.exec("INSERT INTO things SELECT generate_series(1, 100)")
	m.fence()
	m.kill()
	m.halt()
	if err := os.WriteFile(filepath.Join(m.server.DataDir(), "recovery.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m.resume()
	m.until("the recovery has ended", func() bool { return m.text("SELECT pg_is_in_recovery()::text") == "false" })
	if timeline := m.text("SELECT timeline_id::text FROM pg_control_checkpoint()"); timeline != "2" {
		t.Fatalf("the server is on timeline %s", timeline)
	}
	m.start()
	m.exec("UPDATE things SET note = 'x'")
	m.fence()
	m.drain()
	m.holdsTheAudit()
	if saved := m.checkpoints.Saved("main"); saved.Epoch != 1 || saved.Timeline != 2 {
		t.Errorf("saved %+v, want epoch 1 on timeline 2", saved)
	}
}

// A copy of the server's files is put back, and its log goes on from there, on the
// same timeline.
func TestRestoredCopyBeginsANewEpoch(t *testing.T) {
	m := newImmortal(t)
	m.start()
	m.exec("INSERT INTO things SELECT generate_series(1, 100)")
	m.fence()
	m.kill()
	m.halt()
	data := m.server.DataDir()
	copyFiles := func(from, to string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	copyFiles(data, data+".copy")
	m.resume()
	m.start()
	m.exec("INSERT INTO things SELECT generate_series(101, 200)")
	m.fence()
	m.kill()
	m.halt()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyFiles(data+".copy", data)
	m.resume()
	for id := range 300 { // the log gets longer than it was
		m.exec(fmt.Sprintf("INSERT INTO things VALUES (%d, repeat('x', 1000))", 1000+id))
	}
	m.fences += 10
	m.start()
	m.fence()
	m.drain()
	newer := make(map[string]bool)
	for _, partition := range m.topics.Partitions("documents") {
		for _, c := range partition {
			if c.Position.Epoch == 2 {
				newer[c.Meta.DocumentID] = true
			}
		}
	}
	for id := range 300 {
		if !newer[strconv.Itoa(1000+id)] {
			t.Errorf("thing %d is not published in epoch 2", 1000+id)
		}
	}
	if t.Failed() {
		t.Log(m.log)
	}
}
