package cdc_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
	"changefeed/internal/localpg/localpgtest"
)

// setupDB is an empty database, a connection to it as the superuser, and a
// configuration for it.
type setupDB struct {
	*testing.T
	conn *pgx.Conn
	cfg  cdc.Config
}

// newSetupDB makes a database with these tables. The slot is named after the
// database: slots belong to the whole server.
func newSetupDB(t *testing.T, sql string, routes ...cdc.Table) *setupDB {
	t.Helper()
	return setupOn(t, localpgtest.Database(t), sql, routes...)
}

func setupOn(t *testing.T, dsn, sql string, routes ...cdc.Table) *setupDB {
	t.Helper()
	db := &setupDB{T: t, conn: connect(t, dsn)}
	db.cfg = cdc.Config{Source: "main", DSN: dsn, Slot: "slot_" + db.text("SELECT current_database()"), Publication: "changefeed_main", Tables: routes}
	if err := db.cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	db.exec(sql)
	return db
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := cdc.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// exec runs statements one by one, those of a script by themselves if they are
// separated by semicolons at line ends.
func (db *setupDB) exec(statements ...string) {
	db.Helper()
	for _, s := range statements {
		for sql := range strings.SplitSeq(s, ";\n") {
			if _, err := db.conn.Exec(db.Context(), sql); err != nil {
				db.Fatalf("%s: %v", sql, err)
			}
		}
	}
}

func (db *setupDB) text(sql string, args ...any) string {
	db.Helper()
	var text string
	if err := db.conn.QueryRow(db.Context(), sql, args...).Scan(&text); err != nil {
		db.Fatalf("%s: %v", sql, err)
	}
	return text
}

func (db *setupDB) preflight() cdc.Report {
	db.Helper()
	report, err := cdc.Preflight(db.Context(), db.conn, db.cfg)
	if err != nil {
		db.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Severity == cdc.Refuse && len(f.Remedies) == 0 {
			db.Errorf("a refusal without a remedy: %s", f.String())
		}
	}
	return report
}

func (db *setupDB) plan() cdc.Steps {
	db.Helper()
	steps, err := cdc.Plan(db.Context(), db.conn, db.cfg)
	if err != nil {
		db.Fatal(err)
	}
	return steps
}

// init sets up, and requires that nothing is left to do.
func (db *setupDB) init() {
	db.Helper()
	db.apply(db.plan())
	if steps := db.plan(); len(steps) != 0 {
		db.Errorf("a second set-up is not empty:\n%s", steps.SQL())
	}
}

func (db *setupDB) apply(steps cdc.Steps) {
	db.Helper()
	if err := cdc.Apply(db.Context(), db.conn, steps, slog.New(slog.DiscardHandler)); err != nil {
		db.Fatal(err)
	}
}

// accepts requires that nothing stands against publishing.
func (db *setupDB) accepts() {
	db.Helper()
	if err := db.preflight().Err(); err != nil {
		db.Error(err)
	}
}

// find returns the finding whose text has all of these parts, nil without one.
func find(report cdc.Report, parts ...string) *cdc.Finding {
	for i := range report.Findings {
		f := &report.Findings[i]
		line := f.Severity.String() + ": " + f.Subject + ": " + f.Problem
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return f
		}
	}
	return nil
}

// want returns the finding whose text has all of these parts.
func (db *setupDB) want(parts ...string) *cdc.Finding {
	db.Helper()
	report := db.preflight()
	f := find(report, parts...)
	if f == nil {
		var all []string
		for _, f := range report.Findings {
			all = append(all, f.String())
		}
		db.Fatalf("no finding with %q among:\n%s", parts, strings.Join(all, "\n"))
	}
	return f
}

var operationsKey = regexp.MustCompile(`operations: \[([a-z, ]+)\]`)

// follow does what a remedy says: its SQL, its command, or its key of the
// configuration. It reports whether there was something that can be done without
// thinking.
func (db *setupDB) follow(f *cdc.Finding, r cdc.Remedy) bool {
	db.Helper()
	key := operationsKey.FindStringSubmatch(r.Text)
	switch {
	case len(r.SQL) > 0:
		db.exec(r.SQL...)
	case r.Command == "changefeed init":
		db.init()
	case key != nil:
		ops, err := cdc.ParseOperations(strings.Split(key[1], ", "))
		if err != nil {
			db.Fatal(err)
		}
		for i := range db.cfg.Tables {
			if "table "+db.cfg.Tables[i].Name.SQL() == f.Subject {
				db.cfg.Tables[i].Operations = ops
			}
		}
	default:
		return false
	}
	return true
}

// journal collects log lines.
type journal struct {
	bytes.Buffer
	line chan string // each line too, while there is room
}

func (j *journal) Write(p []byte) (int, error) {
	select {
	case j.line <- string(p):
	default:
	}
	return j.Buffer.Write(p)
}

func newJournal() (*journal, *slog.Logger) {
	j := &journal{line: make(chan string, 100)}
	return j, slog.New(slog.NewTextHandler(j, nil))
}

// routed makes a route of a table's name, as SQL writes it, and document id.
func routed(name string, id ...string) cdc.Table {
	table, err := cdc.ParseTableName(name)
	if err != nil {
		panic(err)
	}
	return cdc.Table{Name: table, Topic: "documents", DocumentID: id, DocumentType: cdc.Value{Constant: changefeed.NewText("Document")}}
}

func withDomain(t cdc.Table, column string) cdc.Table {
	t.Domain = cdc.Value{Column: column}
	return t
}

func withOperations(t cdc.Table, ops cdc.Operations) cdc.Table {
	t.Operations = ops
	return t
}

func satellite(name, parent string, id ...string) cdc.Table {
	t, p := routed(name), routed(parent)
	return cdc.Table{Name: t.Name, Parent: p.Name, DocumentID: id}
}
