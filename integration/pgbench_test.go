package integration_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"changefeed/internal/localpg/localpgtest"
)

// pgbenchConfiguration has a route for each of pgbench's tables. The history has
// no key: each of its rows is a record.
const pgbenchConfiguration = `
postgres:
  - name: bench
    dsn: ${PG_DSN}
    tables:
      - {table: pgbench_accounts, topic: accounts, document_id: [aid], document_type: Account}
      - {table: pgbench_tellers, topic: tellers, document_id: [tid], document_type: Teller}
      - {table: pgbench_branches, topic: branches, document_id: [bid], document_type: Branch}
      - {table: pgbench_history, topic: history, document_id: [tid, bid, aid], operations: [insert]}
pillows:
  - name: accounts
    topics: [accounts]
    processors:
      - table:
          name: report_accounts
          columns:
            - {name: aid, path: _id, type: integer, primary_key: true}
            - {name: bid, path: bid, type: integer}
            - {name: abalance, path: abalance, type: integer}
            - {name: filler, path: filler, type: text}
  - name: tellers
    topics: [tellers]
    processors:
      - table:
          name: report_tellers
          columns:
            - {name: tid, path: _id, type: integer, primary_key: true}
            - {name: bid, path: bid, type: integer}
            - {name: tbalance, path: tbalance, type: integer}
            - {name: filler, path: filler, type: text}
  - name: branches
    topics: [branches]
    processors:
      - table:
          name: report_branches
          columns:
            - {name: bid, path: _id, type: integer, primary_key: true}
            - {name: bbalance, path: bbalance, type: integer}
            - {name: filler, path: filler, type: text}
`

// pgbenchDifferences counts rows that are in one of the tables and not in the
// other, in all three pairs.
const pgbenchDifferences = `SELECT
  (SELECT count(*) FROM pgbench_accounts s FULL JOIN report_accounts r USING (aid)
    WHERE (s.bid, s.abalance, s.filler::text) IS DISTINCT FROM (r.bid, r.abalance, rtrim(r.filler))
       OR s.aid IS NULL OR r._version IS NULL)
+ (SELECT count(*) FROM pgbench_tellers s FULL JOIN report_tellers r USING (tid)
    WHERE (s.bid, s.tbalance, s.filler::text) IS DISTINCT FROM (r.bid, r.tbalance, rtrim(r.filler))
       OR r._version IS NULL)
+ (SELECT count(*) FROM pgbench_branches s FULL JOIN report_branches r USING (bid)
    WHERE (s.bbalance, s.filler::text) IS DISTINCT FROM (r.bbalance, rtrim(r.filler))
       OR r._version IS NULL)`

func newPgbenchSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, localpgtest.Shared(t), pgbenchConfiguration)
	s.pgbench(t, "-i", "-I", "dtp", "-s", "5")
	return s
}

func TestReportTablesEqualPgbenchsTables(t *testing.T) {
	s := newPgbenchSite(t)
	p := s.startParts(t)
	s.pgbench(t, "-i", "-I", "g", "-s", "5") // truncates, then copies 500,000 rows
	s.pgbench(t, "-n", "-c", "8", "-j", "2", "-T", "20")
	s.becomesZero(t, 3*time.Minute, pgbenchDifferences)
	s.checkHistory(t)
	p.stop(t)
}

// checkHistory wants as many records as rows.
func (s *site) checkHistory(t *testing.T) {
	t.Helper()
	var rows int64
	if err := s.connect(t).QueryRow(t.Context(), "SELECT count(*) FROM pgbench_history").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if got := s.records(t, "history"); got != rows || rows == 0 {
		t.Errorf("%d records for %d rows of history", got, rows)
	}
}

// records counts the records of a topic.
func (s *site) records(t *testing.T, topic string) int64 {
	t.Helper()
	for line := range strings.Lines(s.must(t, "topics", "list", "--json").stdout) {
		var row struct {
			Topic   string `json:"topic"`
			Records int64  `json:"records"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if row.Topic == topic {
			return row.Records
		}
	}
	t.Fatalf("no topic %s", topic)
	return 0
}

func TestReportTablesEqualAfterKills(t *testing.T) {
	s := newPgbenchSite(t)
	p := s.startParts(t)
	s.pgbench(t, "-i", "-I", "g", "-s", "5")
	for range 3 {
		load := s.startPgbench(t, "-n", "-c", "4", "-T", "4")
		s.someTransactions(t, 500)
		p.publisher.kill() // in the middle of the load, which goes on
		p.pillow.kill()
		p.startReaders(t, s)
		load()
	}
	s.becomesZero(t, 3*time.Minute, pgbenchDifferences)
	p.stop(t)
}
