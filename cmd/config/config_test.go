package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cmd/config"
)

const example = `
state: {dsn: "${STATE_DSN}"}
kafka:
  brokers: [localhost:9092]
  group_prefix: test-
  sasl: {mechanism: SCRAM-SHA-512, user: hq, password_file: password}
  topics: {orders: {partitions: 32, replication: 3}}
postgres:
  - name: main
    dsn: ${PG_DSN}
    allow_suppress: true
    tables:
      - table: public.orders
        topic: orders
        document_id: [order_id]
        document_type: Order
        document_subtype: {column: kind, values: {"1": Open, "2": Closed}, default: Other}
        domain: {column: tenant}
        deleted: {column: deleted_on, is: not null}
      - table: public.audit
        topic: audit
        document_id: [id, at]
        operations: [insert]
      - table: public.order_lines
        parent: public.orders
        document_id: [order_id]
      - table: 'public."Flagged"'
        topic: orders
        document_id: [Id]
        deleted: {column: gone, is: true}
      - table: states
        topic: orders
        document_id: [id]
        deleted: {column: state, bit: 64}
      - table: visits
        topic: orders
        document_id: [id]
        deleted: {column: valid_since, is: null}
pillows:
  - name: orders
    topics: [orders]
    processors:
      - table: {name: order_report, columns: [{name: id, path: _id, type: text, primary_key: true}]}
drain_timeout: 5s
`

func environment(name string) (string, bool) {
	value, ok := map[string]string{"STATE_DSN": "postgres://state", "PG_DSN": "host=main password='a: #'", "EMPTY": ""}[name]
	return value, ok
}

func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "changefeed.yaml")
	for name, content := range map[string]string{"changefeed.yaml": text, "password": "secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(path, environment)
}

func TestLoadReadsTheWholeFile(t *testing.T) {
	c, err := load(t, example)
	if err != nil {
		t.Fatal(err)
	}
	if c.State.DSN != "postgres://state" || c.Pillows[0].Processors[0].Table.DSN != "postgres://state" {
		t.Errorf("state dsn %q, report dsn %q: want the variable's value in both", c.State.DSN, c.Pillows[0].Processors[0].Table.DSN)
	}
	if c.Kafka.SASL.Password != "secret" {
		t.Errorf("password is %q, want the file's first line", c.Kafka.SASL.Password)
	}
	if c.Embedded() || c.DrainTimeout != config.Duration(5*time.Second) {
		t.Errorf("embedded %v, drain timeout %v", c.Embedded(), c.DrainTimeout)
	}
	got, err := c.Publisher(0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantRoutes(), got.Tables); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"orders"}, got.Topics); diff != "" || !got.AllowSuppress {
		t.Errorf("suppression allowed: %v, topics of messages:\n%s", got.AllowSuppress, diff)
	}
	if got.Slot != "changefeed_main" || got.Publication != "changefeed_main" || got.DSN != "host=main password='a: #'" {
		t.Errorf("slot %q, publication %q, dsn %q", got.Slot, got.Publication, got.DSN)
	}
	if diff := cmp.Diff([]string{"audit", "orders"}, c.TopicNames()); diff != "" {
		t.Error(diff)
	}
	if got := c.Topic("orders", 1); got != (config.Topic{Partitions: 32, Replication: 3}) {
		t.Errorf("topic orders: %+v", got)
	}
	if got := c.Topic("audit", 2); got != (config.Topic{Partitions: 8, Replication: 2}) {
		t.Errorf("topic audit: %+v", got)
	}
}

func wantRoutes() []cdc.Table {
	constant := func(s string) cdc.Value { return cdc.Value{Constant: changefeed.NewText(s)} }
	public := func(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }
	return []cdc.Table{
		{
			Name: public("orders"), Topic: "orders", DocumentID: []string{"order_id"}, DocumentType: constant("Order"),
			DocumentSubtype: cdc.Value{Column: "kind", Values: map[string]string{"1": "Open", "2": "Closed"}, Default: changefeed.NewText("Other")},
			Domain:          cdc.Value{Column: "tenant"}, Deleted: cdc.Condition{Column: "deleted_on", NotNull: true},
		},
		{Name: public("audit"), Topic: "audit", DocumentID: []string{"id", "at"}, Operations: cdc.Insert},
		{Name: public("order_lines"), Parent: public("orders"), DocumentID: []string{"order_id"}},
		{Name: public("Flagged"), Topic: "orders", DocumentID: []string{"Id"}, Deleted: cdc.Condition{Column: "gone", Is: changefeed.NewText("true")}},
		{Name: public("states"), Topic: "orders", DocumentID: []string{"id"}, Deleted: cdc.Condition{Column: "state", Bit: 64}},
		{Name: public("visits"), Topic: "orders", DocumentID: []string{"id"}, Deleted: cdc.Condition{Column: "valid_since", Null: true}},
	}
}

func TestFaultsNameLineAndColumn(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown key":            {"state:\n  dns: x\n", "changefeed.yaml:2:3: "},
		"an unknown key in a route": {"postgres:\n  - name: main\n    tables:\n      - tabel: x\n", "changefeed.yaml:4:9: "},
		"an unknown key in a value": {"postgres:\n  - tables:\n      - domain: {colum: x}\n", "changefeed.yaml:3:18: "},
		"an unknown key in a rule":  {"postgres:\n  - tables:\n      - deleted: {column: x, iss: y}\n", "changefeed.yaml:3:30: "},
		"a key given twice":         {"data_dir: a\ndata_dir: b\n", "changefeed.yaml:2:1: "},
		"a value of another kind":   {"kafka:\n  brokers: {a: b}\n", "changefeed.yaml:2:"},
		"text that is not YAML":     {"kafka: [\n", "changefeed.yaml:1:8: "},
		"a variable that is unset":  {"state:\n  dsn: postgres://${NOBODY}\n", "changefeed.yaml:2:8: environment variable NOBODY is not set"},
		"a variable without an end": {"data_dir: ${X\n", "changefeed.yaml:1:11: ${ without }"},
		"a duration without a unit": {"drain_timeout: 5\n", "changefeed.yaml:1:16: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.text)
			if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v\nwant ErrInvalid with %q", err, tc.want)
			}
		})
	}
}

func TestValidationReportsEveryFault(t *testing.T) {
	_, err := load(t, `
postgres:
  - name: Main
    tables: [{table: orders, topic: "a b", document_id: []}]
  - name: Main
    dsn: x
pillows:
  - name: p
  - name: p
    topics: [t]
    processors: [{table: {name: r}}, {}]
log: {format: xml, level: loud}
kafka: {brokers: [nowhere], tls: {cert: c}, sasl: {mechanism: GSSAPI}}
`)
	if !errors.Is(err, config.ErrInvalid) {
		t.Fatalf("%v, want ErrInvalid", err)
	}
	for _, want := range []string{
		`name "Main" holds 'M'`, "no connection string", "no document_id", `topic name "a b"`, "no tables",
		`postgres[1].name: "Main" is taken`, "no topics", "no processors", `pillows[1].name: "p" is taken`, "no kind",
		"log.format", "log.level", "want host:port", "cert and key go together", "kafka.sasl.mechanism",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestAReportTableHasOneWriterAndPublishesNothing(t *testing.T) {
	const text = `
postgres: [{name: main, dsn: host=db, tables: [{table: orders, topic: orders, document_id: [id]}]}]
pillows:
  - {name: a, topics: [orders], processors: [{table: {name: NAME, columns: [{name: id, path: _id, type: text, primary_key: true}]}}]}
  - {name: b, topics: [orders], processors: [{table: {name: report, columns: [{name: id, path: _id, type: text, primary_key: true}]}}]}
`
	for name, want := range map[string]string{"orders": "changes are published from it", "report": "pillow a keeps it", "other": ""} {
		_, err := load(t, strings.Replace(text, "NAME", name, 1))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("report table %s: %v, want %q", name, err, want)
		}
	}
}

func TestVariablesExpandInValuesOnly(t *testing.T) {
	c, err := load(t, "data_dir: /x/${EMPTY}${UNSET:-d}/$${PG_DSN}\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "/x/d/${PG_DSN}"; c.DataDir != want {
		t.Errorf("data_dir is %q, want %q", c.DataDir, want)
	}
}

func TestAKeyAndItsFileExcludeEachOther(t *testing.T) {
	_, err := load(t, "state: {dsn: a, dsn_file: password}\n")
	if err == nil || !strings.Contains(err.Error(), "state.dsn and state.dsn_file are both set") {
		t.Error(err)
	}
}

func TestAMissingFileSaysHowToGoOn(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), environment)
	if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "--config") {
		t.Error(err)
	}
}
