package integration_test

import (
	"strings"
	"testing"
	"time"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

const ordersConfiguration = `
postgres:
  - name: shop
    dsn: ${PG_DSN}
    tables:
      - {table: orders, topic: orders, document_id: [id], document_type: Order}
pillows:
  - name: orders
    topics: [orders]
    processors:
      - table:
          name: order_report
          columns:
            - {name: id, path: _id, type: bigint, primary_key: true}
            - {name: total, path: total, type: numeric}
`

const (
	ordersTable       = "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric)"
	ordersDifferences = `SELECT count(*) FROM orders s FULL JOIN order_report r USING (id)
WHERE (s.total IS DISTINCT FROM r.total OR s.id IS NULL OR r._version IS NULL)`
)

func newOrdersSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, localpgtest.Shared(t), ordersConfiguration)
	s.exec(t, ordersTable)
	return s
}

func TestNothingIsLostWhileTheBrokerIsDown(t *testing.T) {
	s := newOrdersSite(t)
	p := s.startParts(t)
	s.exec(t, "INSERT INTO orders SELECT n, n FROM generate_series(1, 5000) n")
	s.becomesZero(t, time.Minute, ordersDifferences)

	p.broker.kill()
	s.exec(t, "UPDATE orders SET total = total + 1; DELETE FROM orders WHERE id % 10 = 0")
	p.publisher.waitFor(t, "broker cannot be reached, waiting for it")
	if got := s.confirmed(t); got {
		t.Error("the slot was confirmed past what no broker has acknowledged")
	}
	p.broker = s.start(t, "broker")
	s.becomesZero(t, time.Minute, ordersDifferences)
	p.publisher.waitFor(t, "broker is reached again")
	p.stop(t)
}

// confirmed reports whether the slot has been confirmed to the end of the log
// within a few status intervals.
func (s *site) confirmed(t *testing.T) bool {
	t.Helper()
	conn := s.connect(t)
	var behind bool
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); <-look.C {
		err := conn.QueryRow(t.Context(), `SELECT confirmed_flush_lsn < pg_current_wal_lsn()
FROM pg_replication_slots WHERE slot_name = 'changefeed_shop'`).Scan(&behind)
		if err != nil {
			t.Fatal(err)
		}
		if !behind {
			return true
		}
	}
	return false
}

func TestABrokerThatIsDownAtTheStartIsWaitedFor(t *testing.T) {
	s := newOrdersSite(t)
	s.must(t, "init") // with a broker for its own time
	s.exec(t, "INSERT INTO orders VALUES (1, 1)")
	publisher, pillow := s.start(t, "publish"), s.start(t, "pillow", "run")
	publisher.waitFor(t, "waiting at the start")
	pillow.waitFor(t, "waiting at the start")
	s.start(t, "broker")
	s.becomesZero(t, time.Minute, ordersDifferences)
}

func TestABrokerThatNeverComesEndsTheStart(t *testing.T) {
	s := newOrdersSite(t)
	s.must(t, "init")
	s.configure(t, ordersConfiguration+"startup_timeout: 1s\n")
	if r := s.run(t, "publish"); r.code != 1 || !strings.Contains(r.stderr, "changefeed broker") {
		t.Errorf("exit %d, want 1 and what to start\n%s", r.code, r.stderr)
	}
}

func TestASecondPublisherTakesOver(t *testing.T) {
	s := newOrdersSite(t)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	first := s.start(t, "publish")
	first.waitFor(t, "replication started")
	if r := s.run(t, "publish", "--no-wait"); r.code != 1 || !strings.Contains(r.stderr, "active for PID") {
		t.Errorf("exit %d, want 1 and the holder's PID\n%s", r.code, r.stderr)
	}
	second := s.start(t, "publish")
	second.waitFor(t, "standing by to take over")
	s.start(t, "pillow", "run")
	s.exec(t, "INSERT INTO orders VALUES (1, 1)")
	s.becomesZero(t, time.Minute, ordersDifferences)
	first.kill()
	second.waitFor(t, "replication started")
	s.exec(t, "UPDATE orders SET total = 2")
	s.becomesZero(t, time.Minute, ordersDifferences)
	second.stop(t)
}

// The holder's process is killed: its stand-by has the slot at once. What that
// takes is logged; the bound is generous, for a machine that does much else.
func TestAStandByTakesOverFromAKilledPublisher(t *testing.T) {
	s := newOrdersSite(t)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	holder := s.start(t, "publish")
	holder.waitFor(t, "replication started")
	for range 3 {
		standBy := s.start(t, "publish")
		standBy.waitFor(t, "standing by to take over")
		killed := time.Now()
		holder.kill()
		standBy.waitFor(t, "replication started")
		took := time.Since(killed)
		t.Logf("taken over after %s", took.Round(time.Millisecond))
		if took > 10*time.Second {
			t.Errorf("taken over after %s", took)
		}
		holder = standBy
	}
	holder.stop(t)
	broker.stop(t)
}

// A slot that the server has invalidated is made anew where the configuration
// wants that, and what is missing is said; what is written from then on arrives.
func TestALostSlotIsMadeAnew(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"max_slot_wal_keep_size": "2MB", "wal_keep_size": "0"}})
	s := newSite(t, server, strings.Replace(ordersConfiguration, "    tables:", "    on_slot_lost: recreate\n    tables:", 1))
	s.exec(t, ordersTable)
	lose := func() {
		for range 4 {
			s.exec(t, "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1048576))")
			s.exec(t, "SELECT pg_switch_wal()")
			s.exec(t, "CHECKPOINT")
		}
	}
	p := s.startParts(t)
	s.exec(t, "INSERT INTO orders VALUES (1, 1)")
	s.becomesZero(t, time.Minute, ordersDifferences)
	p.publisher.stop(t)
	lose()
	p.publisher = s.start(t, "publish")
	p.publisher.waitFor(t, "is made anew")
	p.publisher.waitFor(t, "changefeed backfill public.orders")
	s.becomesZero(t, time.Minute, "SELECT count(*) - 1 FROM changefeed.gaps WHERE from_lsn < to_lsn AND reason LIKE '%was lost%'")
	p.publisher.waitFor(t, "replication started")
	s.exec(t, "INSERT INTO orders VALUES (2, 2)")
	s.becomesZero(t, time.Minute, ordersDifferences)
	p.stop(t)
}

func TestAValueThatDoesNotConvertIsSaidAndWaitedFor(t *testing.T) {
	s := newOrdersSite(t)
	s.configure(t, strings.Replace(ordersConfiguration, "type: numeric", "type: smallint", 1))
	s.must(t, "init")
	system := s.start(t, "run")
	system.waitFor(t, "replication started")
	s.exec(t, "INSERT INTO orders SELECT n, 1 FROM generate_series(1, 50) n; INSERT INTO orders VALUES (99, 100000)")
	system.waitFor(t, "100000")
	// The documents beside it are not held up, and the mended one follows.
	s.becomesZero(t, time.Minute, ordersDifferences+" AND s.id <> 99")
	s.exec(t, "UPDATE orders SET total = 7 WHERE id = 99")
	s.becomesZero(t, 2*time.Minute, ordersDifferences)
	system.stop(t)
}

func TestTheDatabaseMayRestart(t *testing.T) {
	s := newSite(t, localpgtest.New(t, localpg.Config{}), ordersConfiguration)
	s.exec(t, ordersTable)
	s.must(t, "init")
	system := s.start(t, "run")
	system.waitFor(t, "replication started")
	s.exec(t, "INSERT INTO orders SELECT n, n FROM generate_series(1, 1000) n")
	if err := s.server.Restart(t.Context(), localpg.Immediate); err != nil {
		t.Fatal(err)
	}
	s.exec(t, "UPDATE orders SET total = -total")
	s.becomesZero(t, 2*time.Minute, ordersDifferences)
	system.stop(t)
}
