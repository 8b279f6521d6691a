package table_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

func TestErrorOfAValueNamesColumnPathValueAndType(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, report(table.Column{Name: "City", Path: "customer.number", Type: "int"}))
	failed := failures(t, p,
		save("a", 1, `{"customer": {"number": "12x"}}`),
		save("b", 1, `{"customer": {"number": "`+strings.Repeat("é", 5000)+`"}}`),
		save("c", 1, `{"customer": {"number": 99999999999}}`),
		save("d", 1, `{"customer": {"number": {"deep": true}}}`),
		save("e", 1, `[]`),
		save("f", 1, `{"customer": `),
	)
	for i, want := range []string{
		`column "City" (path customer.number): "12x" does not convert to integer: want a number`,
		`column "City" (path customer.number): "` + strings.Repeat("é", 99) + `… does not convert to integer`,
		`99999999999 does not convert to integer: it is not between -2147483648 and 2147483647`,
		`{"deep": true} does not convert to integer`,
		`not a JSON object`,
		`it ends too early`,
	} {
		if failed[i] == nil || !strings.Contains(failed[i].Error(), want) {
			t.Errorf("item %d: %v\ndoes not say %s", i, failed[i], want)
		}
	}
}

func TestRowsThatTheServerRefusesFailAlone(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, pool, `
		ALTER TABLE report ADD CHECK (total <> 13);
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the total is %', new.total; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON report FOR EACH ROW WHEN (new.total = 14) EXECUTE FUNCTION refuse();
		CREATE TABLE line (of text REFERENCES report);`)
	process(t, p, save("kept", 1, `{}`))
	execute(t, pool, "INSERT INTO line VALUES ('kept')")

	var items []pillows.Item
	for i := range 100 {
		items = append(items, save(fmt.Sprintf("doc-%03d", i), 1, `{"total": 1}`))
	}
	items[3] = save("doc-003", 1, `{"total": 13}`)
	items[50] = save("doc-050", 1, `{"total": 14}`)
	items[51] = deletion("kept", 2)
	items[99] = save("doc-"+incompressible(8000), 1, `{"total": 1}`) // does not fit into an index
	failed := failures(t, p, items...)
	for i, want := range map[int]string{3: "check constraint", 50: "the total is 14", 51: "foreign key", 99: "SQLSTATE 54000"} {
		if failed[i] == nil || !strings.Contains(failed[i].Error(), want) {
			t.Errorf("item %d: %v\ndoes not say %s", i, failed[i], want)
		}
	}
	if len(failed) != 4 {
		t.Errorf("%d items failed, want 4", len(failed))
	}
	expect(t, query(t, pool, "SELECT count(*) FROM report WHERE total = 1"), "96")
	// The guard knows nothing of those that failed, so that they can be mended.
	expect(t, query(t, pool, "SELECT document_id || ' ' || version FROM changefeed.report_versions WHERE document_id IN ('doc-003', 'doc-050', 'kept')"), "kept 1")
}

// incompressible returns text that the server cannot make shorter.
func incompressible(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte('0' + byte(x>>24)%75)
	}
	return b.String()
}

func TestLargeBatchesAreWrittenInParts(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, report(table.Column{Name: "v", Path: "v", Type: "text"}))
	var items []pillows.Item
	for i := range 10 {
		items = append(items, save(fmt.Sprint(i), 1, `{"v": "`+strings.Repeat("x", 3<<20)+`"}`))
	}
	process(t, p, items...)
	expect(t, query(t, pool, "SELECT count(*) FROM report WHERE length(v) = 3 << 20"), "10")
	if n := len(query(t, pool, "SELECT DISTINCT xmin::text FROM report")); n < 4 || n > 6 {
		t.Errorf("30 MiB were written in %d transactions, want about 5", n)
	}
}

// A session of somebody else takes two rows in the other order.
func TestDeadlockIsTriedAgain(t *testing.T) {
	pool := newPool(t)
	var log strings.Builder
	p, err := table.New(totals(), table.Deps{Pool: pool, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	process(t, p, save("a", 1, `{"total": 1}`), save("b", 1, `{"total": 1}`))

	other := begin(t, pool)
	// The other session is patient, so that ours is the one that is refused.
	if _, err := other.Exec(t.Context(), "SET LOCAL deadlock_timeout = '1min'; UPDATE report SET total = 0 WHERE id = 'b'"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("a", 2, `{"total": 2}`), save("b", 2, `{"total": 2}`)}))
	}()
	waitForLock(t.Context(), t, pool)
	if _, err := other.Exec(t.Context(), "UPDATE report SET total = 0 WHERE id = 'a'"); err != nil {
		t.Fatalf("the other session: %v", err)
	}
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expect(t, query(t, pool, rowsSQL), "a 2 2", "b 2 2")
	if !strings.Contains(log.String(), "deadlock detected") {
		t.Errorf("there was no deadlock: %s", log.String())
	}
}

func TestLostConnectionConcernsTheTableAsAWhole(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	pool := openPool(t, server.DSN(localpgtest.DatabaseOn(t, server)))
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 1, `{"total": 1}`))
	blocker := begin(t, pool)
	if _, err := blocker.Exec(t.Context(), "UPDATE report SET total = 0"); err != nil {
		t.Fatal(err)
	}
	batch := []pillows.Item{save("a", 2, `{"total": 2}`), save("b", 2, `{"total": 2}`)}
	done := make(chan error, 1)
	go func() { done <- p.Process(t.Context(), pillows.NewBatch(batch)) }()
	waitForLock(t.Context(), t, pool)
	if err := server.Restart(t.Context(), localpg.Immediate); err != nil {
		t.Fatal(err)
	}
	if failed, err := itemErrors(<-done); err == nil || failed != nil || errors.Is(err, table.ErrPreflight) {
		t.Fatalf("Process while the server goes away: %v, %v", failed, err)
	}
	// The pool may still hold connections that died while they were idle.
	var err error
	for range 10 {
		if err = p.Process(t.Context(), pillows.NewBatch(batch)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("after the restart: %v", err)
	}
	expect(t, query(t, pool, rowsSQL), "a 2 2", "b 2 2")
}

func TestTableThatIsGoneConcernsTheTableAsAWhole(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 5, `{"total": 1}`))
	execute(t, pool, "DROP TABLE report")
	failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("b", 6, `{}`)})))
	var gone *pgconn.PgError
	if failed != nil || !errors.As(err, &gone) || gone.Code != "42P01" {
		t.Fatalf("Process: %v, %v, want undefined_table", failed, err)
	}
	if got := process(t, p, save("b", 6, `{"total": 6}`), save("a", 5, `{"total": 5}`)); got[1] != pillows.Applied {
		t.Errorf("the next try: %v, want all applied to the new table", got)
	}
	expect(t, query(t, pool, rowsSQL), "a 5 5", "b 6 6")
}

func TestTableThatChangesIsExplained(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 5, `{"total": 1}`))
	execute(t, pool, "ALTER TABLE report RENAME total TO sum")
	failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("b", 6, `{}`)})))
	if failed != nil || !errors.Is(err, table.ErrPreflight) || !strings.Contains(err.Error(), `ADD COLUMN "total" numeric`) {
		t.Fatalf("Process: %v, %v", failed, err)
	}
	execute(t, pool, "ALTER TABLE report RENAME sum TO total")
	process(t, p, save("b", 6, `{"total": 6}`))
	expect(t, query(t, pool, rowsSQL), "a 1 5", "b 6 6")
}

func TestServerThatOnlyReadsConcernsTheTableAsAWhole(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 1, `{"total": 1}`))
	execute(t, pool, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
	pool.Reset()
	failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("a", 2, `{}`)})))
	if failed != nil || err == nil || !strings.Contains(err.Error(), "set dsn to the primary") {
		t.Fatalf("Process: %v, %v", failed, err)
	}
}

func TestContextThatEndsWhileWaitingReleasesTheCall(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 1, `{"total": 1}`))
	blocker := begin(t, pool)
	if _, err := blocker.Exec(t.Context(), "UPDATE report SET total = 0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	failed, err := itemErrors(p.Process(ctx, pillows.NewBatch([]pillows.Item{save("a", 2, `{"total": 2}`)})))
	if failed != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Process: %v, %v, want %v", failed, err, context.DeadlineExceeded)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	process(t, p, save("a", 2, `{"total": 2}`))
	expect(t, query(t, pool, rowsSQL), "a 2 2")
}
