package integration_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

func TestPublishingWithoutTheStateTablesIsRefused(t *testing.T) {
	s := newOrdersSite(t)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	s.must(t, "check")
	s.exec(t, "DROP TABLE changefeed.state_migrations, changefeed.checkpoints, changefeed.epochs, changefeed.gaps")
	s.refused(t, "changefeed init", "check", "publish")
	s.must(t, "init")
	s.must(t, "check")
}

func TestCheckTellsThatTheFunctionsAreMissing(t *testing.T) {
	s := newOrdersSite(t)
	s.must(t, "init")
	s.exec(t, "DROP TABLE changefeed.source_migrations")
	if out := s.must(t, "check").stdout; !strings.Contains(out, "changefeed.publish") {
		t.Errorf("no finding about the functions:\n%s", out)
	}
}

// A superuser runs the script that the publisher's role has printed: then that
// role needs nobody any more, because the state is its own.
func TestAScriptRunBySomebodyElseIsEnoughForARoleWithoutRights(t *testing.T) {
	s := newSite(t, localpgtest.New(t, localpg.Config{}), ordersConfiguration)
	s.exec(t, ordersTable)
	s.exec(t, `CREATE ROLE feed LOGIN REPLICATION; GRANT SELECT ON orders TO feed;
CREATE SCHEMA changefeed AUTHORIZATION feed; CREATE SCHEMA report AUTHORIZATION feed`)
	dsn, err := url.Parse(s.server.DSN(s.database))
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.User("feed")
	s.configure(t, strings.NewReplacer("${PG_DSN}", dsn.String(), "name: order_report", "name: order_report\n          schema: report").Replace(ordersConfiguration))

	psql := localpgtest.Command(t, s.server, s.database, "psql", "-v", "ON_ERROR_STOP=1", "-q")
	psql.Stdin = strings.NewReader(s.must(t, "init", "--dry-run").stdout)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	s.becomesZero(t, 0, "SELECT count(*) - 4 FROM pg_tables WHERE schemaname = 'changefeed' AND tableowner = 'feed'")

	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	s.must(t, "check")
	publisher := s.start(t, "publish")
	publisher.waitFor(t, "replication started")
	publisher.stop(t)
}

func TestTheFunctionsPublishAndSuppress(t *testing.T) {
	s := newOrdersSite(t)
	s.configure(t, strings.Replace(ordersConfiguration, "dsn: ${PG_DSN}", "dsn: ${PG_DSN}\n    allow_suppress: true", 1))
	p := s.startParts(t)
	s.exec(t, "BEGIN; SELECT changefeed.suppress(); INSERT INTO orders VALUES (1, 1), (2, 2); COMMIT")
	s.exec(t, "SELECT changefeed.publish('orders', '1', document_type => 'Order')")
	s.exec(t, "INSERT INTO orders VALUES (3, 3)")
	s.becomesZero(t, time.Minute, "SELECT 2 - count(*) FROM order_report WHERE id IN (1, 3)")
	s.becomesZero(t, 0, "SELECT count(*) FROM order_report WHERE id = 2")
	p.stop(t)
}
