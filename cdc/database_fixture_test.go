package cdc_test

import (
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

// init sets up, and requires that nothing is left to do.
func (db *setupDB) init() {
	db.Helper()
	setuptest.Init(db, db.conn, db.cfg)
}

func routed(name string, id ...string) cdc.Table { return setuptest.Route(name, id...) }
