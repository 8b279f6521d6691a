package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/backfill"
	"changefeed/cdc/setup/setuptest"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/sql"
	"changefeed/state"
)

// source is a database that is set up, with the functions that publish.
type source struct {
	*testing.T
	conn *pgx.Conn
	cfg  cdc.Config
}

func newSource(t *testing.T, statements string, routes ...cdc.Table) *source {
	t.Helper()
	dsn := localpgtest.Database(t)
	conn := setuptest.Connect(t, dsn)
	s := &source{T: t, conn: conn, cfg: setuptest.Config(t, conn, routes...)}
	setuptest.Exec(t, conn, statements)
	setuptest.Init(t, conn, s.cfg)
	if _, err := state.Migrate(t.Context(), conn, sql.Source()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *source) config() backfill.Config {
	return backfill.Config{Source: s.cfg, Table: s.cfg.Tables[0].Name, Rate: 1_000_000}
}

func (s *source) run(ctx context.Context, cfg backfill.Config, report func(backfill.Progress), log *slog.Logger) (backfill.Progress, error) {
	s.Helper()
	b, err := backfill.New(cfg, report, log)
	if err != nil {
		s.Fatal(err)
	}
	conn := setuptest.Connect(s.T, s.cfg.DSN) //nolint:contextcheck // closed after the test, whatever became of ctx
	return b.Run(ctx, conn)
}

var discard = slog.New(slog.DiscardHandler)

// published returns the contents of the messages in the log, read through the
// slot, which stays where it is.
func (s *source) published() (contents []string) {
	s.Helper()
	rows, err := s.conn.Query(s.Context(), `SELECT convert_from(substring(data FROM position('changefeed'::bytea IN data) + 15), 'UTF8')
		FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'changefeed_main', 'messages', 'true')
		WHERE get_byte(data, 0) = ascii('M')`, s.cfg.Slot)
	if err != nil {
		s.Fatal(err)
	}
	contents, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.Fatal(err)
	}
	return contents
}

func rated() cdc.Table {
	t := setuptest.Route("orders", "tenant", "number")
	t.Domain = cdc.Value{Column: "tenant"}
	t.DocumentSubtype = cdc.Value{Column: "kind", Values: map[string]string{"1": "web"}, Default: changefeed.NewText("other")}
	t.Deleted = cdc.Condition{Column: "gone", Is: changefeed.NewText("true")}
	return t
}

const orders = `CREATE TABLE orders (tenant text, number int, kind int, gone bool NOT NULL DEFAULT false, PRIMARY KEY (tenant, number)) PARTITION BY LIST (tenant);
CREATE TABLE orders_a PARTITION OF orders FOR VALUES IN ('a/b');
CREATE TABLE orders_z PARTITION OF orders FOR VALUES IN ('z')`

func TestRowsArePublishedByTheirRoute(t *testing.T) {
	s := newSource(t, orders+";\nINSERT INTO orders VALUES ('a/b', 10, 1, false), ('a/b', 9, 2, false), ('z', 1, NULL, true)", rated())
	done, err := s.run(t.Context(), s.config(), nil, discard)
	if err != nil || done.Rows != 3 || !slices.Equal(done.After, []string{"z", "1"}) {
		t.Fatalf("backfill: %+v, %v", done, err)
	}
	got := s.published()
	for i, parts := range [][]string{
		{`"document_id": "a%2Fb/9"`, `"document_subtype": "other"`, `"domain": "a/b"`, `"is_deletion": false`, `"topic": "documents"`, `"document_type": "Document"`, `"data_source_name": "main/public.orders"`, `"data_source_type": "sql"`},
		{`"document_id": "a%2Fb/10"`, `"document_subtype": "web"`, `"is_deletion": false`},
		{`"document_id": "z/1"`, `"document_subtype": "other"`, `"is_deletion": true`},
	} {
		for _, part := range parts {
			if len(got) != 3 || !strings.Contains(got[i], part) {
				t.Errorf("change %d lacks %s in %q", i, part, got)
			}
		}
	}
}

// What one backfill has published and the next one publishes are all rows, each
// once, wherever the first was broken off.
func TestBrokenOffBackfillGoesOnAfterItsLastID(t *testing.T) {
	s := newSource(t, orders+";\nINSERT INTO orders SELECT CASE WHEN i % 2 = 0 THEN 'a/b' ELSE 'z' END, i FROM generate_series(1, 2500) i", rated())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first, err := s.run(ctx, s.config(), func(backfill.Progress) { cancel() }, discard)
	if !errors.Is(err, context.Canceled) || first.Rows != 1000 {
		t.Fatalf("broken off: %+v, %v", first, err)
	}
	cfg := s.config()
	cfg.After = first.After
	second, err := s.run(t.Context(), cfg, nil, discard)
	if err != nil || second.Rows != 1500 {
		t.Fatalf("going on: %+v, %v", second, err)
	}
	seen := make(map[string]bool)
	for _, content := range s.published() {
		seen[content] = true
	}
	if len(seen) != 2500 {
		t.Errorf("%d changes, want 2500", len(seen))
	}
}

// lines hands on what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// A transaction that is open when the backfill begins may have written with the
// publication as it was before.
func TestBackfillWaitsForTransactionsThatAreOpen(t *testing.T) {
	s := newSource(t, orders, rated())
	writer := setuptest.Connect(t, s.cfg.DSN)
	setuptest.Exec(t, writer, "BEGIN", "INSERT INTO orders VALUES ('z', 7)")
	said := make(lines, 10)
	result := make(chan error, 1)
	go func() {
		done, err := s.run(t.Context(), s.config(), nil, slog.New(slog.NewTextHandler(said, nil)))
		if err == nil && done.Rows != 1 {
			err = fmt.Errorf("%d rows, want that of the open transaction", done.Rows)
		}
		result <- err
	}()
	select {
	case line := <-said:
		if want := fmt.Sprintf("pid %d for ", writer.PgConn().PID()); !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	case err := <-result:
		t.Fatalf("it does not wait: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("it does not say that it waits")
	}
	setuptest.Exec(t, writer, "COMMIT")
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestPartitionThatIsNotPublishedIsRefused(t *testing.T) {
	s := newSource(t, orders, rated())
	setuptest.Exec(t, s.conn, "CREATE TABLE orders_q PARTITION OF orders FOR VALUES IN ('q')")
	if _, err := s.run(t.Context(), s.config(), nil, discard); err == nil || !strings.Contains(err.Error(), `orders_q is not published`) || !strings.Contains(err.Error(), "changefeed init") {
		t.Errorf("backfill: %v", err)
	}
}

func TestPartitionsWithRoutesOfTheirOwnAreLeftOut(t *testing.T) {
	own := rated()
	own.Name.Name = "orders_z"
	s := newSource(t, orders+";\nINSERT INTO orders VALUES ('a/b', 1), ('z', 2)", rated(), own)
	done, err := s.run(t.Context(), s.config(), nil, discard)
	if err != nil || done.Rows != 1 || done.After[0] != "a/b" {
		t.Errorf("backfill: %+v, %v", done, err)
	}
}

func TestSatellitesAndUnknownTablesAreRefusedByName(t *testing.T) {
	lines := cdc.Table{Name: cdc.TableName{Schema: "public", Name: "lines"}, Parent: rated().Name, DocumentID: []string{"tenant", "number"}}
	cfg := backfill.Config{Source: cdc.Config{Source: "main", Tables: []cdc.Table{rated(), lines}}}
	for name, want := range map[string]string{"lines": "backfill public.orders", "other": "has no route"} {
		cfg.Table = cdc.TableName{Schema: "public", Name: name}
		if _, err := backfill.New(cfg, nil, discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
