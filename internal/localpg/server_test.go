//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

func TestServerHasALogicalLogAndRoomForManySlots(t *testing.T) {
	server := localpgtest.Shared(t)
	got := map[string]string{}
	for _, name := range []string{
		"wal_level", "max_replication_slots", "max_wal_senders", "shared_buffers", "fsync", "server_encoding", "TimeZone",
	} {
		got[name] = query[string](t, server.DSN("postgres"), "SELECT current_setting($1)", name)
	}
	want := map[string]string{
		"wal_level": "logical", "max_replication_slots": "20", "max_wal_senders": "20",
		"shared_buffers": "32MB", "fsync": "off", "server_encoding": "UTF8", "TimeZone": "UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if got := query[string](t, server.DSN("postgres"), "SHOW server_version"); !strings.HasPrefix(got, server.Version().String()) {
		t.Errorf("Version is %s, the server says %s", server.Version(), got)
	}
}

func TestGivenSettingsWinAndAreTakenLiterally(t *testing.T) {
	t.Parallel()
	const odd = `it's a \ "path" # no comment`
	server := localpgtest.New(t, localpg.Config{
		Fsync:    true,
		Settings: map[string]string{"max_wal_senders": "3", "changefeed.note": odd},
	})
	dsn := server.DSN("postgres")
	got := []string{
		query[string](t, dsn, "SHOW max_wal_senders"),
		query[string](t, dsn, "SHOW changefeed.note"),
		query[string](t, dsn, "SHOW fsync"),
	}
	if diff := cmp.Diff([]string{"3", odd, "on"}, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoopbackNeedsThePasswordAndTheSocketDoesNot(t *testing.T) {
	server := localpgtest.Shared(t)
	if got := query[string](t, server.TCPDSN("postgres"), "SELECT host(inet_server_addr())"); got != "127.0.0.1" {
		t.Errorf("TCPDSN connects to %s, want 127.0.0.1", got)
	}
	if got := query[bool](t, server.DSN("postgres"), "SELECT inet_server_addr() IS NULL"); !got {
		t.Error("DSN does not use the socket")
	}
	u, err := url.Parse(server.TCPDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []*url.Userinfo{url.User("postgres"), url.UserPassword("postgres", "guess")} {
		u.User = user
		_, err := pgx.Connect(t.Context(), u.String())
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code[:2] != "28" {
			t.Errorf("connecting through loopback as %q: got error %v, want an authentication failure", u.Redacted(), err)
		}
	}
}

func TestPasswordIsWrittenNowhere(t *testing.T) {
	server := localpgtest.Shared(t)
	u, err := url.Parse(server.TCPDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if len(password) < 20 {
		t.Fatalf("password has %d characters", len(password))
	}
	if strings.Contains(server.DSN("postgres"), password) {
		t.Error("the password is in DSN")
	}
	err = filepath.WalkDir(server.Dir(), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // The server removes files meanwhile.
		}
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(password)) {
			t.Errorf("the password is in %s", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDirectoryIsPrivateAndItsPathShort(t *testing.T) {
	server := localpgtest.Shared(t)
	info, err := os.Stat(server.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory is %v, want 0700", info.Mode().Perm())
	}
	socket := filepath.Join(server.Dir(), ".s.PGSQL."+strconv.Itoa(server.Port()))
	if _, err := os.Stat(socket); err != nil || len(socket) > 103 {
		t.Errorf("socket %s: %v, %d bytes", socket, err, len(socket))
	}
}

func TestServersRunSideBySide(t *testing.T) {
	t.Parallel()
	var servers [2]*localpg.Server
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			server, err := localpg.Start(t.Context(), localpg.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			servers[i] = server
		})
	}
	wg.Wait()
	for _, server := range servers {
		if server == nil {
			continue
		}
		if got := query[int](t, server.DSN("postgres"), "SELECT 1"); got != 1 {
			t.Errorf("SELECT 1 is %d", got)
		}
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadSettingIsRefusedWithTheLogAndTheRemedyAndNothingIsLeft(t *testing.T) {
	localpgtest.Shared(t) // skips where there is no PostgreSQL
	folder := openFolder(t)
	t.Setenv("TMPDIR", folder)
	_, err := localpg.Start(t.Context(), localpg.Config{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil {
		t.Fatal("the server started")
	}
	for _, part := range []string{"no_such_setting", "unrecognized configuration parameter", "correct the settings"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not say %q: %v", part, err)
		}
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPortTakenWhileHaltedIsSaidOnResume(t *testing.T) {
	t.Parallel()
	server := localpgtest.New(t, localpg.Config{})
	if err := server.Halt(t.Context(), localpg.Immediate); err != nil {
		t.Fatal(err)
	}
	taker, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(server.Port())))
	if err != nil {
		t.Fatal(err)
	}
	err = server.Resume(t.Context())
	taker.Close()
	if err == nil || !strings.Contains(err.Error(), "the port is in use") {
		t.Errorf("Resume with the port taken: %v", err)
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Errorf("Resume with the port free again: %v", err)
	}
}

func TestClientProgramsWork(t *testing.T) {
	server := localpgtest.Shared(t)
	database := localpgtest.DatabaseOn(t, server)
	for _, args := range [][]string{
		{"pgbench", "--initialize", "--scale=1", "--quiet"},
		{"pgbench", "--client=2", "--transactions=50", "--no-vacuum"},
	} {
		out, err := localpgtest.Command(t, server, database, args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	out, err := localpgtest.Command(t, server, database, "psql", "-XAtc", "SELECT count(*) FROM pgbench_history").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "100" {
		t.Errorf("rows of pgbench_history: %q, error %v; want 100", got, err)
	}
	out, err = localpgtest.Command(t, server, database, "psql", "-XAtc", "SELECT 1", server.TCPDSN(database)).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "1" {
		t.Errorf("psql through loopback: %q, error %v", got, err)
	}
}

func TestMissingProgramIsUnavailable(t *testing.T) {
	server := localpgtest.Shared(t)
	_, err := server.Command(t.Context(), "postgres", "pg_no_such_program")
	if !errors.Is(err, localpg.ErrUnavailable) || !strings.Contains(err.Error(), "install") {
		t.Errorf("got %v, want ErrUnavailable and what to install", err)
	}
}

// query returns the one value of a statement.
func query[T any](t *testing.T, dsn, statement string, args ...any) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), statement, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

// openFolder makes a temporary folder that every user can enter, with a short
// path, in which servers can be placed.
func openFolder(t *testing.T) string {
	t.Helper()
	//nolint:usetesting // t.TempDir is in a folder that other users cannot enter.
	folder, err := os.MkdirTemp("/tmp", "localpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	return folder
}

// entries lists a folder.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}
