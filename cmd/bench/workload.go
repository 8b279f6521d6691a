package bench

import (
	"fmt"
	"strings"

	"changefeed/cmd/config"
)

// topic is what every workload publishes on.
const topic = "documents"

// workload is a kind of backlog.
type workload struct {
	name   string
	what   string                // for people
	schema string                // its tables
	insert string                // a statement of PL/pgSQL that inserts the rows of one transaction, first to last
	per    func(rows int) int    // rows of a transaction
	tables func() []config.Table // its routes
	// documents is how many records a transaction of n rows makes.
	documents func(n int) int
}

// each makes one record of every row.
func each(n int) int { return n }

func one(int) int { return 1 }

func thousand(int) int { return 1000 }

// documents is a table as applications have them: a row of about 700 bytes, of
// which a route needs a few columns, and several indexes, each of which gives the
// server more log to read.
const documents = `
CREATE TABLE documents (
	id           bigint PRIMARY KEY,
	document_id  text NOT NULL UNIQUE,
	tenant       text NOT NULL,
	kind         text NOT NULL,
	deleted      boolean NOT NULL DEFAULT false,
	owner_id     text NOT NULL,
	device       text NOT NULL,
	received_on  timestamptz NOT NULL,
	updated_at   timestamptz NOT NULL,
	body         jsonb NOT NULL
);
CREATE INDEX ON documents (tenant, kind);
CREATE INDEX ON documents (received_on);
ALTER TABLE documents REPLICA IDENTITY USING INDEX documents_document_id_key;
`

const insertDocuments = `
INSERT INTO documents
SELECT i, md5(i::text)::uuid::text, 'tenant-' || i % 100, 'kind-' || i % 7, false, md5('o' || i % 1000), 'device-' || i % 50,
	timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second', timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second',
	jsonb_build_object('name', md5(i::text), 'text', repeat(md5((i * 7)::text), 10), 'n', i)
FROM generate_series(first, last) i`

func documentTables() []config.Table {
	return []config.Table{{
		Table: "public.documents", Topic: topic, DocumentID: []string{"document_id"},
		DocumentType:    constant("Document"),
		DocumentSubtype: &config.Value{Column: "kind"},
		Domain:          &config.Value{Column: "tenant"},
		Deleted:         &config.Condition{Column: "deleted", Is: new("true")},
	}}
}

var workloads = []workload{
	{
		name: "catch-up", what: "transactions of 1000 rows",
		schema: documents, insert: insertDocuments, per: thousand, tables: documentTables, documents: each,
	}, {
		name: "single", what: "transactions of one row",
		schema: documents, insert: insertDocuments, per: one, tables: documentTables, documents: each,
	}, {
		name: "huge", what: "one transaction",
		schema: documents, insert: insertDocuments, per: each, tables: documentTables, documents: each,
	}, {
		name: "wide", what: "rows of 30 columns and 2 kB, transactions of 1000",
		schema: wideSchema(), insert: insertWide(), per: thousand, tables: documentTables, documents: each,
	}, {
		name: "satellites", what: "a form with two operations and two attachments in each transaction",
		schema: formSchema, insert: insertForm, per: func(int) int { return formRows }, tables: formTables, documents: one,
	},
}

// fillers are the columns of a wide row that no route needs.
const fillers = 25

func wideSchema() string {
	var columns strings.Builder
	for i := range fillers {
		fmt.Fprintf(&columns, ",\n\tc%d text NOT NULL", i)
	}
	return `
CREATE TABLE documents (
	id          bigint PRIMARY KEY,
	document_id text NOT NULL UNIQUE,
	tenant      text NOT NULL,
	kind        text NOT NULL,
	deleted     boolean NOT NULL` + columns.String() + `
);
ALTER TABLE documents REPLICA IDENTITY USING INDEX documents_document_id_key;
`
}

func insertWide() string {
	return `
INSERT INTO documents
SELECT i, md5(i::text)::uuid::text, 'tenant-' || i % 100, 'kind-' || i % 7, false` +
		strings.Repeat(", repeat(md5(i::text), 2) || '0123456789'", fillers) + `
FROM generate_series(first, last) i`
}

// formRows are the rows of a form's transaction.
const formRows = 5

const formSchema = `
CREATE TABLE forms (
	id          bigint PRIMARY KEY,
	form_id     text NOT NULL UNIQUE,
	tenant      text NOT NULL,
	kind        text NOT NULL,
	deleted     boolean NOT NULL,
	received_on timestamptz NOT NULL,
	body        jsonb NOT NULL
);
CREATE TABLE form_operations (
	id        bigint PRIMARY KEY,
	form_id   text NOT NULL,
	operation text NOT NULL,
	made_on   timestamptz NOT NULL
);
CREATE TABLE form_attachments (
	id           bigint PRIMARY KEY,
	form_id      text NOT NULL,
	name         text NOT NULL,
	content_type text NOT NULL,
	length       bigint NOT NULL
);
CREATE INDEX ON form_operations (form_id);
CREATE INDEX ON form_attachments (form_id);
ALTER TABLE forms REPLICA IDENTITY USING INDEX forms_form_id_key;
`

const insertForm = `
INSERT INTO forms
SELECT first, md5(first::text)::uuid::text, 'tenant-' || first % 100, 'kind-' || first % 7, false, timestamptz '2026-01-01 00:00:00Z',
	jsonb_build_object('name', md5(first::text), 'text', repeat(md5((first * 7)::text), 10));
INSERT INTO form_operations
SELECT i, md5(first::text)::uuid::text, 'edit', timestamptz '2026-01-01 00:00:00Z' FROM generate_series(first, first + 1) i;
INSERT INTO form_attachments
SELECT i, md5(first::text)::uuid::text, 'photo-' || i || '.jpg', 'image/jpeg', 100000 + i FROM generate_series(first, last - 3) i`

func formTables() []config.Table {
	return []config.Table{
		{
			Table: "public.forms", Topic: topic, DocumentID: []string{"form_id"},
			DocumentType:    constant("Form"),
			DocumentSubtype: &config.Value{Column: "kind"},
			Domain:          &config.Value{Column: "tenant"},
			Deleted:         &config.Condition{Column: "deleted", Is: new("true")},
		},
		{Table: "public.form_operations", Parent: "public.forms", DocumentID: []string{"form_id"}, Operations: []string{"insert", "update"}},
		{Table: "public.form_attachments", Parent: "public.forms", DocumentID: []string{"form_id"}, Operations: []string{"insert", "update"}},
	}
}

func constant(text string) *config.Value { return &config.Value{Constant: &text} }

// find returns the workload of a name. Latency is measured on single rows.
func find(name string) (*workload, error) {
	if name == latency {
		name = "single"
	}
	for i := range workloads {
		if workloads[i].name == name {
			return &workloads[i], nil
		}
	}
	return nil, fmt.Errorf("no workload is called %q", name)
}

// size returns the transactions, rows and documents of a backlog of about so many
// rows: whole transactions.
func (w *workload) size(about int) (transactions, rows, docs int) {
	per := w.per(about)
	transactions = about / per
	return transactions, transactions * per, transactions * w.documents(per)
}

// configuration is what changefeed.yaml would say.
func (w *workload) configuration(source, dsn, slot, broker string) (*config.Config, error) {
	cfg := &config.Config{
		Kafka: &config.Kafka{Brokers: []string{broker}},
		Postgres: []config.Postgres{{
			Name: source, DSN: dsn, Slot: slot, Publication: publication, Tables: w.tables(),
		}},
		Log: config.Log{Level: "warn"},
	}
	if err := cfg.Complete(); err != nil {
		return nil, fmt.Errorf("make configuration of the benchmark: %w", err)
	}
	return cfg, nil
}

// publication is the name of every workload's.
const publication = "bench"
