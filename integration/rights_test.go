package integration_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

const rightsConfiguration = `
postgres:
  - name: shop
    dsn: ${PG_DSN}
    tables:
      - {table: sales.orders, topic: orders, document_id: [id], document_type: Order, domain: {column: tenant}}
      - {table: sales.lines, parent: sales.orders, document_id: [order_id]}
`

// feed is the publisher's role, which has nothing but what check tells it to have.
// Of the application's tables these are the columns that the routes read.
const readableColumns = `SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name, column_name)
FROM information_schema.column_privileges WHERE grantee = 'feed' AND table_schema = 'sales'`

func TestARoleWithTheRightsThatCheckTellsPublishes(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"max_slot_wal_keep_size": "1GB"}})
	s := newSite(t, server, rightsConfiguration)
	s.exec(t, `CREATE ROLE feed LOGIN; CREATE ROLE owner LOGIN REPLICATION;
GRANT CREATE ON DATABASE `+s.database+` TO owner; CREATE SCHEMA sales AUTHORIZATION owner; SET ROLE owner;
CREATE TABLE sales.orders (id bigint PRIMARY KEY, tenant text NOT NULL, secret text);
CREATE TABLE sales.lines (id bigint PRIMARY KEY, order_id bigint NOT NULL, secret text)`)
	broker := s.start(t, "broker")
	broker.waitFor(t, "embedded broker started")
	s.configure(t, strings.Replace(rightsConfiguration, "${PG_DSN}", s.dsnOf(t, "owner"), 1))
	s.must(t, "init")
	s.configure(t, strings.Replace(rightsConfiguration, "${PG_DSN}", s.dsnOf(t, "feed"), 1))

	s.refused(t, "ALTER ROLE feed REPLICATION", "check", "publish")
	granted := s.obeyCheck(t)
	for _, want := range []string{
		`ALTER ROLE "feed" REPLICATION`, `GRANT USAGE ON SCHEMA "sales" TO "feed"`,
		`GRANT SELECT ("id", "tenant") ON "sales"."orders" TO "feed"`, `GRANT SELECT ("order_id") ON "sales"."lines" TO "feed"`,
		`GRANT SELECT ON changefeed.state_migrations TO "feed"`, `GRANT SELECT, INSERT, UPDATE ON changefeed.checkpoints TO "feed"`,
	} {
		if !strings.Contains(strings.ReplaceAll(granted, `"`, ""), strings.ReplaceAll(want, `"`, "")) {
			t.Errorf("check did not tell %s, but\n%s", want, granted)
		}
	}
	if !strings.Contains(s.must(t, "check").stdout, "GRANT pg_monitor TO feed") {
		t.Error("check does not tell what pg_monitor is good for")
	}
	var readable string
	if err := s.connect(t).QueryRow(t.Context(), readableColumns).Scan(&readable); err != nil {
		t.Fatal(err)
	}
	if want := "lines.order_id orders.id orders.tenant"; readable != want {
		t.Errorf("the role may read %s, want %s alone", readable, want)
	}

	publisher := s.start(t, "publish")
	publisher.waitFor(t, "replication started")
	s.exec(t, `INSERT INTO sales.orders VALUES (1, 'a', 'x'); INSERT INTO sales.lines VALUES (1, 1, 'x')`) // one change
	s.exec(t, `INSERT INTO sales.lines VALUES (2, 1, 'x')`)                                                // its parent is looked up
	s.becomes(t, "orders", 2)
	s.exec(t, `DELETE FROM sales.orders`)
	s.becomes(t, "orders", 3)
	publisher.stop(t)
	for _, trouble := range []string{"WARN", "ERROR"} {
		if strings.Contains(publisher.logs.String(), trouble) {
			t.Errorf("the publisher was in trouble:\n%s", publisher.logs)
			break
		}
	}
}

// dsnOf is the connection string of the site's database for another role.
func (s *site) dsnOf(t *testing.T, role string) string {
	t.Helper()
	dsn, err := url.Parse(s.server.DSN(s.database))
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.User(role)
	return dsn.String()
}

// obeyCheck does what check tells as long as it refuses, and returns the
// statements.
func (s *site) obeyCheck(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	conn := s.connect(t)
	for round := 0; ; round++ {
		r := s.run(t, "check", "--json")
		if r.code == 0 {
			return all.String()
		}
		if r.code != 3 || round == 10 {
			t.Fatalf("check, round %d: exit %d\n%s%s", round, r.code, r.stdout, r.stderr)
		}
		s.obey(t, conn, r.stdout, &all)
	}
}

// obey runs the first remedy of each refusal.
func (s *site) obey(t *testing.T, conn *pgx.Conn, findings string, all *strings.Builder) {
	t.Helper()
	for line := range strings.Lines(findings) {
		var finding struct {
			Severity string
			Remedies []struct{ SQL []string }
		}
		if err := json.Unmarshal([]byte(line), &finding); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if finding.Severity != "refuse" {
			continue
		}
		if len(finding.Remedies) == 0 || len(finding.Remedies[0].SQL) == 0 {
			t.Fatalf("nothing to run: %s", line)
		}
		for _, sql := range finding.Remedies[0].SQL {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			all.WriteString(sql + "\n")
		}
	}
}

// becomes waits until a topic has n records.
func (s *site) becomes(t *testing.T, topic string, n int64) {
	t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(time.Minute); ; <-look.C {
		switch got := s.records(t, topic); {
		case got == n:
			return
		case got > n || time.Now().After(end):
			t.Fatalf("%d records, want %d", got, n)
		}
	}
}
