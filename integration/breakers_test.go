package integration_test

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// What these tests do has made other publishers lose rows, repeat them without
// end, or hold the log. Commits that touch each other in the log are tested beside
// the publisher itself.

var idleMegabytes = flag.Int("idle.megabytes", 400, "how much is written beside an idle publication")

// rowsConfiguration publishes one table.
const rowsConfiguration = `
postgres:
  - name: shop
    dsn: ${PG_DSN}
    tables:
      - {table: rows, topic: rows, document_id: [id], document_type: Row}
`

// newRowsSite sets a site up for the table rows, whose columns after the first
// are given, and starts its broker.
func newRowsSite(t *testing.T, server *localpg.Server, columns string) (*site, *embeddedBroker) {
	t.Helper()
	s := newSite(t, server, rowsConfiguration)
	s.exec(t, "CREATE TABLE rows (id int PRIMARY KEY, "+columns+")")
	b := &embeddedBroker{t: t, site: s}
	b.Start()
	s.must(t, "init")
	return s, b
}

// startPublisher starts a publisher and waits until it streams.
func (s *site) startPublisher(t *testing.T) *process {
	t.Helper()
	p := s.start(t, "publish")
	p.waitFor(t, "replication started")
	return p
}

// awaitPublished waits until everything that was committed before is confirmed.
func (s *site) awaitPublished(t *testing.T, limit time.Duration) {
	t.Helper()
	var end string
	if err := s.connect(t).QueryRow(t.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	s.becomesZero(t, limit, `SELECT count(*) FROM pg_replication_slots
WHERE slot_name = 'changefeed_shop' AND confirmed_flush_lsn < '`+end+`'`)
}

// wantRows wants one record of each of the rows first to last, and no other.
func wantRows(t *testing.T, b chaosBroker, first, last int) {
	t.Helper()
	times := make(map[string]int)
	r := newTopicReader(t, b.Address(), "rows")
	for r.Next() {
		times[r.change.Meta.DocumentID]++
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	var missing, repeated []int
	for id := first; id <= last; id++ {
		switch n := times[strconv.Itoa(id)]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1:
			repeated = append(repeated, id)
		}
		delete(times, strconv.Itoa(id))
	}
	if len(missing) > 0 {
		t.Errorf("%d rows have no record, the first is %d", len(missing), missing[0])
	}
	if len(repeated) > 0 {
		t.Errorf("%d rows have several records, the first is %d", len(repeated), repeated[0])
	}
	if len(times) > 0 {
		t.Errorf("%d documents are published that are no rows", len(times))
	}
}

// A message is longer than what it takes in the log: whoever adds the two up
// confirms what is still to come.
func TestWideRowsBetweenIdleRestartsAreNotLost(t *testing.T) {
	var columns strings.Builder
	for n := range 30 {
		fmt.Fprintf(&columns, "c%d int, ", n)
	}
	s, b := newRowsSite(t, localpgtest.Shared(t), columns.String()+"note text")
	insert := func(id int) { s.exec(t, fmt.Sprintf("INSERT INTO rows (id) VALUES (%d)", id)) }
	for id := 1; id < 12; id += 2 {
		p := s.startPublisher(t)
		insert(id)
		s.awaitPublished(t, time.Minute)
		p.stop(t)
		insert(id + 1) // while it is down
	}
	p := s.startPublisher(t)
	for id := 13; id <= 20; id++ {
		insert(id)
	}
	s.awaitPublished(t, time.Minute)
	p.stop(t)
	wantRows(t, b, 1, 20)
}

// The server sends large transactions before they end to who asks for it, and
// then has to take back what was rolled back.
func TestRolledBackPartOfALargeTransactionTakesNothingElseAlong(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"logical_decoding_work_mem": "64kB"}})
	s, b := newRowsSite(t, server, "note text")
	p := s.startPublisher(t)
	s.exec(t, `BEGIN;
INSERT INTO rows SELECT n, 'before' FROM generate_series(1, 2000) n;
SAVEPOINT one;
INSERT INTO rows SELECT n, 'taken back' FROM generate_series(2001, 4000) n;
ROLLBACK TO SAVEPOINT one;
INSERT INTO rows SELECT n, 'after' FROM generate_series(2001, 2010) n;
SAVEPOINT two;
INSERT INTO rows SELECT n, 'kept' FROM generate_series(2011, 4010) n;
RELEASE SAVEPOINT two;
COMMIT`)
	s.awaitPublished(t, time.Minute)
	p.stop(t)
	wantRows(t, b, 1, 4010)
}

// Rows of COPY share positions in the log: who resumes by them loses or repeats
// some.
func TestPublisherThatIsKilledDuringACopyLosesNothing(t *testing.T) {
	s, b := newRowsSite(t, localpgtest.Shared(t), "note text")
	topic := watchTopic(t, b.Address(), "rows")
	const rows, wanted, most = 10_000, 3, 30
	last, hits := 0, 0
	for round := 0; hits < wanted; round++ {
		if round == most {
			t.Fatalf("only %d of %d kills came in the middle of a copy", hits, most)
		}
		p := s.startPublisher(t)
		before := topic.records()
		first := last
		_, err := s.connect(t).CopyFrom(t.Context(), pgx.Identifier{"rows"}, []string{"id", "note"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			return []any{int32(first + 1 + i), "copied"}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		last += rows
		topic.awaitMore(before)
		p.kill()
		if n := topic.records(); n < before+rows {
			hits++
		}
		p = s.startPublisher(t)
		s.awaitPublished(t, time.Minute)
		p.stop(t)
	}
	t.Logf("%d copies", last/rows)
	wantRows(t, b, 1, last)
}

// A transaction that is published in pieces must not be confirmed before its end.
func TestPublisherThatIsKilledInsideATransactionLosesNothing(t *testing.T) {
	s, b := newRowsSite(t, localpgtest.Shared(t), "note text")
	topic := watchTopic(t, b.Address(), "rows")
	const rows = 150_000 // three pieces
	p := s.startPublisher(t)
	s.exec(t, fmt.Sprintf("INSERT INTO rows SELECT n, 'x' FROM generate_series(1, %d) n", rows))
	topic.awaitMore(0)
	p.kill()
	if n := topic.records(); n >= rows {
		t.Fatalf("all %d records are there: nothing was tested", n)
	}
	r := newTopicReader(t, b.Address(), "rows")
	if !r.Next() {
		t.Fatal(r.Err())
	}
	s.becomesZero(t, 0, fmt.Sprintf(`SELECT count(*) FROM pg_replication_slots
WHERE slot_name = 'changefeed_shop' AND confirmed_flush_lsn - '0/0' > %d`, r.change.Position.LSN))
	p = s.startPublisher(t)
	s.awaitPublished(t, 2*time.Minute)
	p.stop(t)
	wantRows(t, b, 1, rows)
}

// Nothing that is published is written, but much else: the server may let go of
// the log all the same.
func TestIdlePublicationDoesNotHoldTheLog(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	s, b := newRowsSite(t, server, "note text")
	s.exec(t, "CREATE TABLE others (note text)")
	p := s.startPublisher(t)
	s.exec(t, "INSERT INTO rows VALUES (1, 'x')")
	const step = 40 // MB
	for range max(1, *idleMegabytes/step) {
		s.exec(t, fmt.Sprintf("INSERT INTO others SELECT repeat('x', 1000) FROM generate_series(1, %d * 1000)", step))
		s.exec(t, "TRUNCATE others")
		s.awaitPublished(t, time.Minute)
		s.exec(t, "CHECKPOINT") // the server looks what it may let go
		s.becomesZero(t, time.Minute, `SELECT count(*) FROM pg_replication_slots
WHERE slot_name = 'changefeed_shop' AND pg_current_wal_lsn() - restart_lsn > 1e6`)
	}
	p.stop(t)
	wantRows(t, b, 1, 1)
}
