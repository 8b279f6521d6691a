package sql_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/internal/localpg/localpgtest"
	"changefeed/sql"
	"changefeed/state"
)

const slot = "sql_source_test"

// source is a database with the functions, and a slot that sees what they write.
type source struct{ conn *pgx.Conn }

func newSource(t *testing.T) source {
	t.Helper()
	server := localpgtest.Shared(t)
	database := localpgtest.DatabaseOn(t, server)
	conn, err := pgx.Connect(t.Context(), server.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := state.Migrate(t.Context(), conn, sql.Source()); err != nil {
		t.Fatal(err)
	}
	s := source{conn}
	s.execute(t, "CREATE PUBLICATION "+slot)
	s.execute(t, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
	return s
}

func (s source) execute(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// messages returns the contents of the messages written since the last call,
// which all have to be transactional and of our prefix.
func (s source) messages(t *testing.T) []string {
	t.Helper()
	const query = `SELECT data FROM pg_logical_slot_get_binary_changes($1::name, NULL, NULL, 'proto_version', '1', 'publication_names', $1::name::text, 'messages', 'true')`
	rows, _ := s.conn.Query(t.Context(), query, slot)
	all, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, data := range all {
		if data[0] != 'M' {
			continue
		}
		transactional, data := data[1] == 1, data[1+1+8:]
		prefix, data, _ := bytes.Cut(data, []byte{0})
		size, content := binary.BigEndian.Uint32(data), data[4:]
		if !transactional || string(prefix) != "changefeed" || int(size) != len(content) {
			t.Fatalf("message transactional %v, prefix %q, %d bytes of %d", transactional, prefix, len(content), size)
		}
		contents = append(contents, string(content))
	}
	return contents
}

// wants compares the messages written since the last call, as JSON.
func (s source) wants(t *testing.T, want ...string) {
	t.Helper()
	decode := func(texts []string) (values []any) {
		for _, text := range texts {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			values = append(values, value)
		}
		return values
	}
	if diff := cmp.Diff(decode(want), decode(s.messages(t))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestSuppressAndPublishWriteMessages(t *testing.T) {
	s := newSource(t)
	s.execute(t, "SELECT changefeed.suppress()")
	s.wants(t, `{"suppress": true}`)

	s.execute(t, "SELECT changefeed.publish('orders', '42')")
	s.wants(t, `{"change": {"topic": "orders", "document_id": "42", "document_type": null, "document_subtype": null, "domain": null, "is_deletion": false}}`)

	s.execute(t, `SELECT changefeed.publish('orders', 'a "quoted" ☃ id', 'Order', 'gift', 'acme', true, 'main/public.orders', 'sql')`)
	s.wants(t, `{"change": {"topic": "orders", "document_id": "a \"quoted\" ☃ id", "document_type": "Order", "document_subtype": "gift", "domain": "acme",
		"is_deletion": true, "data_source_name": "main/public.orders", "data_source_type": "sql"}}`)

	s.execute(t, "SELECT changefeed.publish('orders', '42', is_deletion => NULL, data_source_name => 'main/public.orders')")
	s.wants(t, `{"change": {"topic": "orders", "document_id": "42", "document_type": null, "document_subtype": null, "domain": null,
		"is_deletion": false, "data_source_name": "main/public.orders"}}`)
}

func TestPublishReturnsThePlaceOfItsMessage(t *testing.T) {
	s := newSource(t)
	var between bool
	err := s.conn.QueryRow(t.Context(), `
WITH before AS MATERIALIZED (SELECT pg_current_wal_insert_lsn() AS lsn), published AS MATERIALIZED (SELECT before.lsn, changefeed.publish('orders', '42') AS at FROM before)
SELECT lsn < at AND at <= pg_current_wal_insert_lsn() FROM published`).Scan(&between)
	if err != nil || !between {
		t.Errorf("in between %v, %v", between, err)
	}
}

func TestMessagesBelongToTheirTransaction(t *testing.T) {
	s := newSource(t)
	for _, statement := range []string{
		"BEGIN", "SELECT changefeed.publish('orders', 'undone')", "ROLLBACK",
		"BEGIN", "SELECT changefeed.publish('orders', 'kept')",
		"SAVEPOINT here", "SELECT changefeed.publish('orders', 'undone too')", "ROLLBACK TO here", "COMMIT",
	} {
		s.execute(t, statement)
	}
	if got := s.messages(t); len(got) != 1 || !strings.Contains(got[0], "kept") {
		t.Errorf("messages %q, want the one that was committed", got)
	}
}

func TestMalformedCallsAreRefusedWithAHint(t *testing.T) {
	s := newSource(t)
	for _, call := range []string{
		"publish('', '42')", "publish(NULL, '42')", "publish('orders', '')", "publish('orders', NULL)", "publish('orders', repeat('x', 65536))",
	} {
		_, err := s.conn.Exec(t.Context(), "SELECT changefeed."+call)
		refusal, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || refusal.Hint == "" || !strings.HasPrefix(refusal.Message, "changefeed.publish: ") {
			t.Errorf("%s: %v, want an error of the function with a hint", call, err)
		}
	}
	if got := s.messages(t); got != nil {
		t.Errorf("messages %q of refused calls", got)
	}
}

// Anybody may call the functions, whatever stands in the way of their names, and
// a role that may not emit messages may not through them.
func TestFunctionsRunWithTheCallersRights(t *testing.T) {
	s := newSource(t)
	const role = "sql_source_caller"
	s.execute(t, "CREATE ROLE "+role)
	t.Cleanup(func() {
		_, err := s.conn.Exec(context.Background(), "RESET ROLE; DROP OWNED BY "+role+"; DROP ROLE "+role)
		if err != nil {
			t.Error(err)
		}
	})
	s.execute(t, `CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC;
CREATE FUNCTION trap.pg_logical_emit_message(boolean, text, bytea) RETURNS pg_lsn LANGUAGE sql AS 'SELECT NULL::pg_lsn';
CREATE FUNCTION trap.convert_to(text, text) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'`)
	s.execute(t, "SET ROLE "+role)
	s.execute(t, "SET search_path = trap, changefeed, pg_catalog")
	s.execute(t, "SELECT suppress()")
	s.execute(t, "SELECT publish('orders', '42')")
	s.execute(t, "RESET search_path")
	s.execute(t, "RESET ROLE")
	if got := s.messages(t); len(got) != 2 {
		t.Fatalf("messages %q, want 2", got)
	}

	s.execute(t, "REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC")
	s.execute(t, "SET ROLE "+role)
	for _, call := range []string{"suppress()", "publish('orders', '42')"} {
		_, err := s.conn.Exec(t.Context(), "SELECT changefeed."+call)
		if refusal, ok := errors.AsType[*pgconn.PgError](err); !ok || refusal.Code != "42501" {
			t.Errorf("%s without the right: %v, want it refused", call, err)
		}
	}
}

func TestTheFunctionsTellWhatTheyAreFor(t *testing.T) {
	s := newSource(t)
	var undocumented int
	err := s.conn.QueryRow(t.Context(), `
SELECT count(*) FILTER (WHERE obj_description(oid, 'pg_proc') IS NULL) + 2 - count(*)
FROM pg_proc WHERE pronamespace = 'changefeed'::regnamespace`).Scan(&undocumented)
	if err != nil || undocumented != 0 {
		t.Errorf("%d functions without a comment or missing, %v", undocumented, err)
	}
}

// The log carries UTF-8, whatever the encoding of the database.
func TestMessagesAreUTF8InEveryDatabase(t *testing.T) {
	server := localpgtest.Shared(t)
	database := localpgtest.DatabaseOn(t, server)
	admin, err := pgx.Connect(t.Context(), server.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	const latin = "sql_source_latin1"
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+latin+" TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.DropDatabase(context.Background(), latin); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), server.DSN(latin))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := state.Migrate(t.Context(), conn, sql.Source()); err != nil {
		t.Fatal(err)
	}
	s := source{conn}
	s.execute(t, "SET client_encoding = 'UTF8'")
	s.execute(t, "CREATE PUBLICATION "+slot)
	s.execute(t, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
	s.execute(t, "SELECT changefeed.publish('orders', $1)", "naïve")
	if got := s.messages(t); len(got) != 1 || !strings.Contains(got[0], "naïve") {
		t.Errorf("messages %q, want the id in UTF-8", got)
	}
}
