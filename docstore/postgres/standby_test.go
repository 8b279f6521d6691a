package postgres_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// pair is a primary and a physical standby of it.
type pair struct {
	primary, standby *localpg.Server
	// owner is a session of the primary's database for the test's own work, and
	// reader one of the standby's.
	owner, reader *pgxpool.Pool
}

const pairDatabase = "postgres"

// newPair starts both servers. The standby begins as a copy of the primary's
// files, which needs no program that a downloaded server lacks.
func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{primary: localpgtest.New(t, localpg.Config{}), standby: localpgtest.New(t, localpg.Config{})}
	halt(t, p.primary)
	halt(t, p.standby)
	data := p.standby.DataDir()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, p.primary.DataDir(), data)
	// A copy, because the file must belong to the server's account.
	copyFiles(t, filepath.Join(data, "PG_VERSION"), filepath.Join(data, "standby.signal"))
	p.configureStandby(t, "primary_conninfo", fmt.Sprintf("host=%s port=%d user=postgres", p.primary.Dir(), p.primary.Port()))
	resume(t, p.primary)
	resume(t, p.standby)
	p.owner = openPool(t, p.primary.DSN(pairDatabase))
	p.reader = openPool(t, p.standby.DSN(pairDatabase))
	execute(t, p.owner, `
		CREATE TABLE documents (id int PRIMARY KEY, state text);
		INSERT INTO documents VALUES (1, 'first');
		CREATE PUBLICATION documents FOR TABLE documents`)
	execute(t, p.owner, `SELECT pg_create_logical_replication_slot('documents', 'pgoutput')`)
	return p
}

func halt(t *testing.T, s *localpg.Server) {
	t.Helper()
	if err := s.Halt(t.Context(), localpg.Fast); err != nil {
		t.Fatal(err)
	}
}

func resume(t *testing.T, s *localpg.Server) {
	t.Helper()
	if err := s.Resume(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.LogTail())
	}
}

// copyFiles copies with modes and owners.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

// configureStandby adds a setting, for the standby's next start.
func (p *pair) configureStandby(t *testing.T, name, value string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(p.standby.DataDir(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s = '%s'\n", name, value); err != nil {
		t.Fatal(err)
	}
}

// save commits a state of document 1, and returns the transaction's id and the
// start of its commit record, as the log tells them.
func (p *pair) save(t *testing.T, state string) (xid, lsn uint64) {
	t.Helper()
	tx, at := begin(t, p.owner, `UPDATE documents SET state = $1 WHERE id = 1`, state)
	commit(t, tx)
	const begun = `
		SELECT ('x' || encode(substring(data FROM 2 FOR 8), 'hex'))::bit(64)::bigint
		FROM pg_logical_slot_get_binary_changes('documents', NULL, NULL, 'proto_version', '1', 'publication_names', 'documents')
		WHERE get_byte(data, 0) = ascii('B')`
	rows, err := p.owner.Query(t.Context(), begun)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&lsn); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil || lsn == 0 {
		t.Fatalf("find the commit in the log: position %d, error %v", lsn, err)
	}
	return at["main"].XIDs[0], lsn
}

// until asks a server again and again, until it says true.
func until(t *testing.T, pool *pgxpool.Pool, question string, args ...any) {
	t.Helper()
	for yes := false; !yes; {
		if err := pool.QueryRow(t.Context(), question, args...).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", question, err)
		}
	}
}

// replayed waits until the standby has replayed what the primary has written.
func (p *pair) replayed(t *testing.T) {
	t.Helper()
	var written string
	if err := p.owner.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&written); err != nil {
		t.Fatal(err)
	}
	until(t, p.reader, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written)
}

// stateOn returns what a server shows of document 1, asked directly.
func stateOn(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var state string
	if err := pool.QueryRow(context.WithoutCancel(t.Context()), "SELECT state FROM documents WHERE id = 1").Scan(&state); err != nil {
		t.Fatal(err)
	}
	return state
}
