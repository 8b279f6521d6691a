package setup_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/cdc/setup/setuptest"
	"changefeed/internal/localpg/localpgtest"
)

// setupDB is an empty database, a connection to it as the superuser, and a
// configuration for it.
type setupDB struct {
	*testing.T
	conn *pgx.Conn
	cfg  cdc.Config
}

// newSetupDB makes a database with these tables.
func newSetupDB(t *testing.T, sql string, routes ...cdc.Table) *setupDB {
	t.Helper()
	return setupOn(t, localpgtest.Database(t), sql, routes...)
}

func setupOn(t *testing.T, dsn, sql string, routes ...cdc.Table) *setupDB {
	t.Helper()
	db := &setupDB{T: t, conn: connect(t, dsn)}
	db.cfg = setuptest.Config(t, db.conn, routes...)
	db.exec(sql)
	return db
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	return setuptest.Connect(t, dsn)
}

func (db *setupDB) exec(statements ...string) {
	db.Helper()
	setuptest.Exec(db, db.conn, statements...)
}

func (db *setupDB) text(sql string, args ...any) string {
	db.Helper()
	return setuptest.Text(db, db.conn, sql, args...)
}

func (db *setupDB) preflight() setup.Report {
	db.Helper()
	return setuptest.Preflight(db, db.conn, db.cfg)
}

func (db *setupDB) plan() setup.Steps {
	db.Helper()
	return setuptest.Plan(db, db.conn, db.cfg)
}

func (db *setupDB) apply(steps setup.Steps) {
	db.Helper()
	setuptest.Apply(db, db.conn, steps)
}

// init sets up, and requires that nothing is left to do.
func (db *setupDB) init() {
	db.Helper()
	setuptest.Init(db, db.conn, db.cfg)
}

// accepts requires that nothing stands against publishing.
func (db *setupDB) accepts() {
	db.Helper()
	if err := db.preflight().Err(); err != nil {
		db.Error(err)
	}
}

// find returns the finding whose text has all of these parts, nil without one.
func find(report setup.Report, parts ...string) *setup.Finding {
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
func (db *setupDB) want(parts ...string) *setup.Finding {
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
func (db *setupDB) follow(f *setup.Finding, r setup.Remedy) bool {
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
			name := db.cfg.Tables[i].Name.SQL()
			if "table "+name == f.Subject || strings.HasSuffix(r.Text, "on "+name) {
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

func routed(name string, id ...string) cdc.Table { return setuptest.Route(name, id...) }

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
