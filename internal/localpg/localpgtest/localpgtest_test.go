package localpgtest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
)

func TestMain(m *testing.M) {
	code := Main{M: m}.Run()
	for major, s := range shared.versions {
		if s.server != nil && !errors.Is(s.server.Err(), localpg.ErrStopped) {
			fmt.Fprintf(os.Stderr, "Main has not stopped the shared server of version %d: %v\n", major, s.server.Err())
			code = 1
		}
	}
	os.Exit(code)
}

func TestDatabaseIsNewAndGoneAfterTheTest(t *testing.T) {
	var names []string
	for range 2 {
		t.Run("Same name/with ünusual characters and more of them than PostgreSQL allows in a name", func(t *testing.T) {
			conn := connect(t, Database(t))
			var name string
			if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			// It is still open when the database is dropped.
			if _, err := conn.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
				t.Error(err)
			}
		})
	}
	if len(names) != 2 || names[0] == names[1] {
		t.Fatalf("databases %q, want two", names)
	}
	conn := connect(t, Shared(t).DSN("postgres"))
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = ANY($1)", names).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left > 0 {
		t.Errorf("%d of %q are left", left, names)
	}
}

func TestEachMajorVersionCanBeHad(t *testing.T) {
	for _, major := range []int{14, 15, 16, 17, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			server := Version(t, major)
			if got := server.Version().Major; got != major {
				t.Errorf("got version %d", got)
			}
			if Version(t, major) != server {
				t.Error("a second server was started")
			}
			connect(t, server.DSN("postgres"))
		})
	}
}

func TestNewServerIsStoppedAfterTheTest(t *testing.T) {
	var server *localpg.Server
	t.Run("uses a server", func(t *testing.T) { server = New(t, localpg.Config{}) })
	if server == nil {
		t.Skip("there is no PostgreSQL")
	}
	if !errors.Is(server.Err(), localpg.ErrStopped) {
		t.Errorf("Err is %v", server.Err())
	}
}

func TestWithoutPostgreSQLATestSkipsUnlessStrict(t *testing.T) {
	missing := fmt.Errorf("find it: %w", localpg.ErrUnavailable)
	for _, c := range []struct {
		strict string
		err    error
		want   string
	}{
		{strict: "", err: nil, want: ""},
		{strict: "", err: missing, want: "skip: find it"},
		{strict: "0", err: missing, want: "skip: find it"},
		{strict: "1", err: missing, want: "fail: find it"},
		{strict: "", err: errors.New("it ended at once"), want: "fail: it ended"},
	} {
		t.Setenv("CHANGEFEED_TEST_STRICT", c.strict)
		r := &recorder{TB: t}
		require(r, c.err)
		if !strings.HasPrefix(r.ended, c.want) || (c.want == "") != (r.ended == "") {
			t.Errorf("strict %q, error %v: %q, want %q", c.strict, c.err, r.ended, c.want)
		}
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB

	ended string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.ended = "skip: " + fmt.Sprint(args...) }
func (r *recorder) Fatal(args ...any) { r.ended = "fail: " + fmt.Sprint(args...) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}
