//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

func TestRestartKeepsDataAndAddresses(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	dsn, tcp := server.DSN("postgres"), server.TCPDSN("postgres")
	execute(t, dsn, "CREATE TABLE kept (id int)")
	for i, mode := range []localpg.Mode{localpg.Fast, localpg.Immediate} {
		before := server.PID()
		execute(t, dsn, "INSERT INTO kept VALUES (1)")
		if err := server.Restart(t.Context(), mode); err != nil {
			t.Fatalf("%s restart: %v", mode, err)
		}
		if server.PID() == before {
			t.Errorf("%s restart: the same postmaster runs", mode)
		}
		if got := query[int](t, tcp, "SELECT count(*) FROM kept"); got != i+1 {
			t.Errorf("%s restart: %d rows, want %d", mode, got, i+1)
		}
	}
	if err := server.Err(); err != nil {
		t.Errorf("Err after restarts: %v", err)
	}
}

func TestImmediateShutdownRecoversFromTheLog(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	if err := server.Restart(t.Context(), localpg.Immediate); err != nil {
		t.Fatal(err)
	}
	if log := readFile(t, server.Log()); !strings.Contains(log, "automatic recovery in progress") {
		t.Errorf("no recovery in the log:\n%s", log)
	}
}

func TestHaltedServerIsDownUntilResumed(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	for range 2 { // the second does nothing
		if err := server.Halt(t.Context(), localpg.Fast); err != nil {
			t.Fatal(err)
		}
	}
	if pid := server.PID(); pid != 0 {
		t.Errorf("PID of a halted server is %d", pid)
	}
	if conn, err := pgx.Connect(t.Context(), server.DSN("postgres")); err == nil {
		conn.Close(t.Context())
		t.Error("a halted server takes connections")
	}
	if err := server.Err(); err != nil {
		t.Errorf("Err of a halted server: %v", err)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Resume(t.Context()); err == nil {
		t.Error("a running server was resumed")
	}
	query[int](t, server.DSN("postgres"), "SELECT 1")
}

func TestHaltGivesUpWithItsContextAndCanBeMadeHarder(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	postmaster, err := os.FindProcess(server.PID())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Halt(ended, localpg.Fast); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Halt with an ended context: %v", err)
	}
	if err := server.Halt(t.Context(), localpg.Immediate); err != nil {
		t.Errorf("Halt again: %v", err)
	}
	if err := postmaster.Signal(syscall.Signal(0)); err == nil {
		t.Error("the postmaster is still there")
	}
}

func TestUnexpectedEndIsKnownAndExplained(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	postmaster, err := os.FindProcess(server.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := postmaster.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
	case <-time.After(time.Minute):
		t.Fatal("Done is not closed")
	}
	err = server.Err()
	for _, part := range []string{"ended by itself", "signal: killed", "ready to accept connections"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Err does not say %q: %v", part, err)
		}
	}
	if got := server.Resume(t.Context()); !errors.Is(got, err) {
		t.Errorf("Resume: got %v, want the reason of the end", got)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if !gone(server.Dir()) {
		t.Error("the directory is left")
	}
}

func TestStoppedServerIsGoneAndSaysSo(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if !gone(server.Dir()) {
		t.Error("the directory is left")
	}
	<-server.Done()
	for name, err := range map[string]error{
		"Err":            server.Err(),
		"Halt":           server.Halt(t.Context(), localpg.Fast),
		"Resume":         server.Resume(t.Context()),
		"CreateDatabase": server.CreateDatabase(t.Context(), "late"),
	} {
		if !errors.Is(err, localpg.ErrStopped) {
			t.Errorf("%s after Stop: %v", name, err)
		}
	}
}

func TestSuspendedServerCanBeStopped(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	postmaster, err := os.FindProcess(server.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := postmaster.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	localpgtest.Shared(t)
	folder := openFolder(t)
	t.Setenv("TMPDIR", folder)
	ctx, cancel := context.WithCancel(t.Context())
	var canceller sync.WaitGroup
	defer canceller.Wait()
	canceller.Go(func() {
		defer cancel()
		eventually(t, "the data directory is being made", func() bool { return len(dataDirectories(folder)) > 0 })
	})
	if _, err := localpg.Start(ctx, localpg.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDatabaseIsDroppedWithItsSessionsAndSlots(t *testing.T) {
	server := localpgtest.Shared(t)
	const name = `Odd "name"`
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	dsn := server.DSN(name)
	execute(t, dsn, "SELECT pg_create_logical_replication_slot('held', 'pgoutput')")
	session, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(t.Context())
	stream, err := pgconn.Connect(t.Context(), dsn+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(t.Context())
	execute(t, dsn, "CREATE PUBLICATION everything FOR ALL TABLES")
	startReplication(t, stream, "held")

	if err := server.DropDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, server.DSN("postgres"), "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'held'"); n != 0 {
		t.Error("the slot is left")
	}
	if err := server.DropDatabase(t.Context(), name); err != nil {
		t.Errorf("drop of a database that is gone: %v", err)
	}
}

// startReplication starts a stream and returns when the server sends it.
func startReplication(t *testing.T, conn *pgconn.PgConn, slot string) {
	t.Helper()
	frontend := conn.Frontend()
	frontend.SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT " + slot + ` LOGICAL 0/0 (proto_version '1', publication_names 'everything')`})
	if err := frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	message, err := conn.ReceiveMessage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := message.(*pgproto3.CopyBothResponse); !ok {
		t.Fatalf("got %T, want the start of the stream", message)
	}
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
