package integration_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// site is a folder with a configuration file, and the database it names.
type site struct {
	dir      string
	server   *localpg.Server
	database string
	dsn      string // what the program uses; empty: the server's own
}

// newSite makes a database of its own and writes the configuration, in which
// ${PG_DSN} is the database.
func newSite(t *testing.T, server *localpg.Server, configuration string) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), server: server, database: localpgtest.DatabaseOn(t, server)}
	s.configure(t, configuration)
	return s
}

func (s *site) configure(t *testing.T, configuration string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "changefeed.yaml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PG_DSN="+cmp.Or(s.dsn, s.server.DSN(s.database)))
	return cmd
}

func (s *site) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.server.DSN(s.database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// exec runs statements, on a connection of their own: a test can run more of them
// than the server has connections.
func (s *site) exec(t *testing.T, sql string) {
	t.Helper()
	conn := s.connect(t)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// pgbench runs PostgreSQL's own benchmark on the database.
func (s *site) pgbench(t *testing.T, args ...string) {
	t.Helper()
	if out, err := localpgtest.Command(t, s.server, s.database, "pgbench", args...).CombinedOutput(); err != nil {
		t.Fatalf("pgbench %v: %v\n%s", args, err, out)
	}
}

// parts are the processes of a site.
type parts struct{ broker, publisher, pillow *process }

// startParts sets the site up and starts its parts, each in a process.
func (s *site) startParts(t *testing.T) *parts {
	t.Helper()
	var p parts
	p.broker = s.start(t, "broker")
	p.broker.waitFor(t, "embedded broker started")
	s.must(t, "init")
	p.startReaders(t, s)
	return &p
}

// startReaders starts the publisher and the pillow, anew where they were killed.
func (p *parts) startReaders(t *testing.T, s *site) {
	t.Helper()
	p.publisher, p.pillow = s.start(t, "publish"), s.start(t, "pillow", "run")
	p.publisher.waitFor(t, "replication started")
}

// stop stops the parts, and wants each to end well.
func (p *parts) stop(t *testing.T) {
	t.Helper()
	p.pillow.stop(t)
	p.publisher.stop(t)
	p.broker.stop(t)
}

// startPgbench starts pgbench, and returns what waits for its end.
func (s *site) startPgbench(t *testing.T, args ...string) func() {
	t.Helper()
	var out bytes.Buffer
	cmd := localpgtest.Command(t, s.server, s.database, "pgbench", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			t.Fatalf("pgbench %v: %v\n%s", args, err, out.String())
		}
	}
}

// someTransactions waits until pgbench has made n more transactions.
func (s *site) someTransactions(t *testing.T, n int64) {
	t.Helper()
	const history = "SELECT count(*) FROM pgbench_history"
	var before int64
	if err := s.connect(t).QueryRow(t.Context(), history).Scan(&before); err != nil {
		t.Fatal(err)
	}
	s.becomesZero(t, time.Minute, fmt.Sprintf("SELECT greatest(%d - (%s), 0)", before+n, history))
}

// becomesZero waits until a query gives 0, which it has to within limit. There
// is no event to wait for: the writer of what is counted is another process.
func (s *site) becomesZero(t *testing.T, limit time.Duration, query string) {
	t.Helper()
	conn := s.connect(t)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(limit); ; <-look.C {
		n := int64(-1)
		err := conn.QueryRow(t.Context(), query).Scan(&n)
		if err != nil && !notMade(err) {
			t.Fatalf("%s: %v", query, err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still %d after %s, %v: %s", n, limit, err, query)
		}
	}
}

// notMade reports whether a table does not exist, as a report table before its
// first document.
func notMade(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42P01"
}
