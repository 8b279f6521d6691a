package table_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

var roles atomic.Int64

// newRole makes a role without rights. It returns a pool of its own, and the
// role's name in SQL, which needs its quotes.
func newRole(t *testing.T, owner *pgxpool.Pool, dsn string) (pool *pgxpool.Pool, role string) {
	t.Helper()
	role = fmt.Sprintf(`"Report role %d"`, roles.Add(1))
	execute(t, owner, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		if _, err := owner.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.User = strings.Trim(role, `"`)
	pool, err = pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, role
}

// refused returns the text of the error with which Prepare asks for something.
func refused(t *testing.T, p *table.Processor) string {
	t.Helper()
	err := p.Prepare(t.Context())
	if !errors.Is(err, table.ErrPreflight) {
		t.Fatalf("Prepare: %v, want %v", err, table.ErrPreflight)
	}
	return err.Error()
}

// between returns what stands between two texts.
func between(t *testing.T, text, start, end string) string {
	t.Helper()
	_, text, found := strings.Cut(text, start)
	if end != "" {
		text, _, _ = strings.Cut(text, end)
	}
	if !found || text == "" {
		t.Fatalf("%q is not in the error", start)
	}
	return text
}

func TestRoleThatMayCreateNothing(t *testing.T) {
	dsn := localpgtest.Database(t)
	owner := openPool(t, dsn)
	pool, _ := newRole(t, owner, dsn)
	p := newProcessor(t, pool, totals())
	// What is asked for is done, and no more: then it works without any right to
	// create something.
	execute(t, owner, between(t, refused(t, p), "let an owner run: ", " or allow it: "))
	process(t, p, save("a", 1, `{"total": 1}`), deletion("b", 1))
	expect(t, query(t, owner, rowsSQL), "a 1 1")

	// An owner who makes a table again empties the guard as well.
	execute(t, owner, "DROP TABLE report")
	p = newProcessor(t, pool, totals())
	execute(t, owner, between(t, refused(t, p), "let an owner run: ", " or allow it: "))
	process(t, p, save("a", 1, `{"total": 1}`))
	expect(t, query(t, owner, rowsSQL), "a 1 1")
}

func TestRoleThatIsAllowedToCreate(t *testing.T) {
	dsn := localpgtest.Database(t)
	owner := openPool(t, dsn)
	pool, _ := newRole(t, owner, dsn)
	p := newProcessor(t, pool, totals())
	execute(t, owner, between(t, refused(t, p), " or allow it: ", ""))
	process(t, p, save("a", 1, `{"total": 1}`))
	expect(t, query(t, owner, rowsSQL), "a 1 1")
}

func TestRoleThatLacksRightsOnTheTables(t *testing.T) {
	dsn := localpgtest.Database(t)
	owner := openPool(t, dsn)
	if err := newProcessor(t, owner, totals()).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, owner, "REVOKE USAGE ON SCHEMA public FROM public")
	pool, role := newRole(t, owner, dsn)
	p := newProcessor(t, pool, totals())
	text := refused(t, p)
	for _, sql := range []string{
		`GRANT USAGE ON SCHEMA "public" TO ` + role + `;`,
		`GRANT USAGE ON SCHEMA "changefeed" TO ` + role + `;`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."report" TO ` + role + `;`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON "changefeed"."report_versions" TO ` + role + `;`,
	} {
		if !strings.Contains(text, sql) {
			t.Fatalf("%s\ndoes not say %s", text, sql)
		}
		execute(t, owner, sql)
	}
	process(t, p, save("a", 1, `{"total": 1}`))

	// A right that is taken away later is told as well.
	execute(t, owner, "REVOKE UPDATE ON report FROM "+role)
	if text := processRefused(t, p); !strings.Contains(text, `GRANT UPDATE ON "public"."report" TO `+role+`;`) {
		t.Errorf("%s\ndoes not say which right to grant", text)
	}
}

func processRefused(t *testing.T, p *table.Processor) string {
	t.Helper()
	failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("a", 2, `{"total": 2}`)})))
	if failed != nil || !errors.Is(err, table.ErrPreflight) {
		t.Fatalf("Process: %v, %v, want %v", failed, err, table.ErrPreflight)
	}
	return err.Error()
}

func TestSchemaThatIsMissingIsNotMade(t *testing.T) {
	pool := newPool(t)
	cfg := totals()
	cfg.Schema = "sales"
	p := newProcessor(t, pool, cfg)
	execute(t, pool, between(t, refused(t, p), "make it: ", ""))
	process(t, p, save("a", 1, `{"total": 1}`))
	expect(t, query(t, pool, "SELECT id FROM sales.report"), "a")
}
