package integration_test

import (
	"strings"
	"syscall"
	"testing"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// refused wants exit code 3 of every command that would go on, and a text that
// says what to do.
func (s *site) refused(t *testing.T, remedy string, commands ...string) {
	t.Helper()
	for _, command := range commands {
		r := s.run(t, command)
		if r.code != 3 || !strings.Contains(r.stdout+r.stderr, remedy) {
			t.Errorf("changefeed %s: exit %d, want 3 and %q\n%s%s", command, r.code, remedy, r.stdout, r.stderr)
		}
	}
}

func TestAServerThatCannotBeDecodedIsRefused(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"wal_level": "replica"}})
	s := newSite(t, server, ordersConfiguration)
	s.exec(t, ordersTable)
	s.refused(t, "ALTER SYSTEM SET wal_level = 'logical'", "check", "init")
}

func TestARouteThatDoesNotFitItsTableIsRefused(t *testing.T) {
	s := newOrdersSite(t)
	s.configure(t, strings.Replace(ordersConfiguration, "document_type: Order", "document_type: {column: knd}", 1))
	s.exec(t, "ALTER TABLE orders ADD COLUMN kind text")
	s.refused(t, `knd`, "check", "init")
	s.refused(t, `kind`, "check", "init") // the nearest name that there is
}

func TestATableWithoutAUsableIdentityIsRefused(t *testing.T) {
	s := newSite(t, localpgtest.Shared(t), ordersConfiguration)
	s.exec(t, "CREATE TABLE orders (id bigint, total numeric)")
	s.refused(t, "ALTER TABLE public.orders", "check", "init")
}

func TestPublishingWithoutInitIsRefused(t *testing.T) {
	s := newOrdersSite(t)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "topics", "create")
	s.refused(t, "changefeed init", "publish")
}

func TestTheSecondInterruptEndsAtOnce(t *testing.T) {
	s := newOrdersSite(t)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	publisher := s.start(t, "publish")
	publisher.waitFor(t, "positions begin their first epoch") // it has no more to read back
	broker.kill()                                             // so that the publisher has something that it cannot drain
	s.exec(t, "INSERT INTO orders VALUES (1, 1)")
	publisher.waitFor(t, "broker cannot be reached")
	for _, text := range []string{"once more to stop at once", ""} {
		if err := publisher.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			publisher.waitFor(t, text)
		}
	}
	if code := publisher.wait(t); code != 1 {
		t.Errorf("exit %d, want 1\n%s", code, publisher.logs)
	}
}

func TestADryRunChangesNothingAndCanBeReadByPrograms(t *testing.T) {
	s := newOrdersSite(t)
	script := s.must(t, "init", "--dry-run").stdout
	if !strings.Contains(script, "CREATE PUBLICATION changefeed_shop") {
		t.Errorf("no publication in:\n%s", script)
	}
	if rows := s.must(t, "init", "--dry-run", "--json").stdout; strings.Count(rows, `"source":"shop"`) != 3 || strings.Count(rows, `"state":true`) != 1 || !strings.Contains(rows, `{"topic":"orders"`) {
		t.Errorf("want three steps, one of the state and a topic:\n%s", rows)
	}
	psql := localpgtest.Command(t, s.server, s.database, "psql", "-v", "ON_ERROR_STOP=1", "-q")
	psql.Stdin = strings.NewReader(script)
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	s.must(t, "init") // finds the script's work done
	if rows := s.must(t, "init", "--dry-run", "--json").stdout; strings.Contains(rows, `"source"`) || strings.Contains(rows, `"state"`) {
		t.Errorf("something is left after the script:\n%s", rows)
	}
}
