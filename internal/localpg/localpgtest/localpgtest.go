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
// The version is whichever is found first, 15 or later; CHANGEFEED_TEST_POSTGRES
// names another major version for all tests, and [Version] for one. Those that
// are not installed are downloaded from Maven Central, or from the repository
// whose URL is in CHANGEFEED_MAVEN_REPOSITORY.
//
// Where PostgreSQL can neither be found nor downloaded, a test is skipped. With
// CHANGEFEED_TEST_STRICT=1 it fails.
package localpgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
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
	server, err := start(ctx, cfg)
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

// sharedServer is one server of this test binary. A failure to start is final, so
// that every test tells the same.
type sharedServer struct {
	once   sync.Once
	server *localpg.Server
	err    error
}

// shared are the servers of this test binary, by the major version asked for.
var shared struct {
	mu       sync.Mutex
	versions map[int]*sharedServer
}

// Shared returns the server of this test binary, with the settings of a zero
// [localpg.Config]. Tests must not halt it or change its settings.
func Shared(tb testing.TB) *localpg.Server {
	tb.Helper()
	return Version(tb, 0)
}

// Version is [Shared] with a server of a major version.
func Version(tb testing.TB, major int) *localpg.Server {
	tb.Helper()
	shared.mu.Lock()
	s := shared.versions[major]
	if s == nil {
		s = &sharedServer{}
		if shared.versions == nil {
			shared.versions = make(map[int]*sharedServer)
		}
		shared.versions[major] = s
	}
	shared.mu.Unlock()
	s.once.Do(func() {
		// Not the test's context: the server outlives the test.
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		s.server, s.err = start(ctx, localpg.Config{Major: major})
	})
	require(tb, s.err)
	return s.server
}

// start starts a server of the version that the environment names, unless the
// test itself asks for one.
func start(ctx context.Context, cfg localpg.Config) (*localpg.Server, error) {
	if text := os.Getenv("CHANGEFEED_TEST_POSTGRES"); text != "" && cfg.Major == 0 {
		major, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("read CHANGEFEED_TEST_POSTGRES: %w (set it to a major version such as 17)", err)
		}
		cfg.Major = major
	}
	cfg.Repository = cmp.Or(cfg.Repository, os.Getenv("CHANGEFEED_MAVEN_REPOSITORY"))
	return localpg.Start(ctx, cfg)
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

// Main is a [testing.M], or what wraps one, after whose tests the shared servers
// are stopped:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(localpgtest.Main{M: m}) }
type Main struct {
	M interface{ Run() int }
}

// Run runs the tests, stops the shared servers, and returns the exit code.
func (m Main) Run() int {
	code := m.M.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, s := range shared.versions {
		s.once.Do(func() { s.err = localpg.ErrStopped })
		if s.server == nil {
			continue
		}
		if err := s.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
			code = max(code, 1)
		}
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
