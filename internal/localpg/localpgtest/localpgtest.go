// Package localpgtest gives tests a real PostgreSQL.
//
// Most tests need a database and no server of their own:
//
//	dsn := localpgtest.Database(t)
//
// The first such call of a test binary starts one server, which the others
// share. It is gone when the test binary ends, however it ends, so a package
// needs no TestMain; one that checks for leaked goroutines stops the server first
// with [Main]. A test that changes settings, restarts the server or takes it away
// makes its own with [New].
//
// Where PostgreSQL can neither be found nor downloaded, a test is skipped. With
// CHANGEFEED_TEST_STRICT=1 it fails.
package localpgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"changefeed/internal/localpg"
)

// limit bounds each start of a server and each drop of a database. A first start
// may have to download.
const limit = 5 * time.Minute

// New starts a server for one test, which stops it at its end and shows the end
// of the server's log if the test failed.
func New(tb testing.TB, cfg localpg.Config) *localpg.Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	server, err := localpg.Start(ctx, cfg)
	require(tb, err)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the end of PostgreSQL's log:\n%s", server.LogTail())
		}
		if err := server.Stop(); err != nil {
			tb.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return server
}

// shared is the server of this test binary. A failure to start is final, so that
// every test tells the same.
var shared struct {
	once   sync.Once
	server *localpg.Server
	err    error
}

// Shared returns the server of this test binary, with the settings of a zero
// [localpg.Config]. Tests must not halt it or change its settings.
func Shared(tb testing.TB) *localpg.Server {
	tb.Helper()
	shared.once.Do(func() {
		// Not the test's context: the server outlives the test.
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		shared.server, shared.err = localpg.Start(ctx, localpg.Config{})
	})
	require(tb, shared.err)
	return shared.server
}

// Database makes an empty database on the shared server, drops it at the end of
// the test, and returns its DSN.
func Database(tb testing.TB) string {
	tb.Helper()
	server := Shared(tb)
	return server.DSN(DatabaseOn(tb, server))
}

// DatabaseOn makes an empty database on a server, drops it at the end of the
// test together with its sessions and slots, and returns its name, which needs
// no quotes in SQL.
func DatabaseOn(tb testing.TB, server *localpg.Server) string {
	tb.Helper()
	name := databaseName(tb.Name())
	if err := server.CreateDatabase(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		err := server.DropDatabase(ctx, name)
		if err != nil && !errors.Is(err, localpg.ErrStopped) {
			tb.Error(err)
		}
	})
	return name
}

// Command prepares a client program, such as psql or pgbench, to work on a
// database of a server. Without the program the test is skipped or fails, as
// without a server.
func Command(tb testing.TB, server *localpg.Server, database, name string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd, err := server.Command(tb.Context(), database, name, args...)
	require(tb, err)
	return cmd
}

// Main is a [testing.M], or what wraps one, after whose tests the shared server
// is stopped:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(localpgtest.Main{M: m}) }
type Main struct {
	M interface{ Run() int }
}

// Run runs the tests, stops the shared server, and returns the exit code.
func (m Main) Run() int {
	code := m.M.Run()
	shared.once.Do(func() { shared.err = localpg.ErrStopped })
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

// require ends the test unless err is nil.
func require(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, localpg.ErrUnavailable) && os.Getenv("CHANGEFEED_TEST_STRICT") != "1":
		tb.Skip(err)
	default:
		tb.Fatal(err)
	}
}

var databases atomic.Int64

// databaseName makes a name from a test's, unique in this process, of at most
// PostgreSQL's 63 bytes.
func databaseName(test string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '_'
		}
	}, test)
	return fmt.Sprintf("t%d_%.40s", databases.Add(1), plain)
}
