package table_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

const shapeSQL = `
	SELECT attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
	FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`

func TestPrepareMakesWhatIsMissing(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, report(
		table.Column{Name: "total", Path: "total", Type: "decimal(10,2)"},
		table.Column{Name: "at", Path: "at", Type: "timestamptz"},
	))
	for range 2 {
		if err := p.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, query(t, pool, shapeSQL, "public.report"),
		"id text not null", "total numeric(10,2)", "at timestamp with time zone", "_version bigint not null")
	expect(t, query(t, pool, shapeSQL, "changefeed.report_versions"),
		"report text not null", "document_id text not null", "version bigint not null")
}

func TestCheckMakesNothing(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, report())
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, query(t, pool, `SELECT relname FROM pg_class WHERE relname IN ('report', 'report_versions')`))
	execute(t, pool, "CREATE TABLE report (id integer)")
	if err := p.Check(t.Context()); !errors.Is(err, table.ErrPreflight) {
		t.Errorf("a table that does not fit: %v, want ErrPreflight", err)
	}
}

func TestNamesMayBeAnythingThatSQLCanQuote(t *testing.T) {
	pool := newPool(t)
	execute(t, pool, `CREATE SCHEMA "My ""Schema"""`)
	cfg := table.Config{
		Name: `Order's "report"; --`, Schema: `My "Schema"`, StateSchema: "State $1",
		Columns: []table.Column{
			{Name: `The "Id"`, Path: "_id", Type: "text", PrimaryKey: true},
			{Name: "select", Path: "a", Type: "text"},
			{Name: "Größe", Path: "b", Type: "integer"},
			{Name: "$1", Path: "c", Type: "text"},
			{Name: " ", Path: "d", Type: "text"},
			{Name: "version", Path: "e", Type: "text"},
			{Name: "c0", Path: "f", Type: "text"},
			{Name: "excluded", Path: "g", Type: "text"},
			{Name: "new", Path: "h", Type: "text"},
		},
	}
	p := newProcessor(t, pool, cfg)
	process(t, p, save("x", 1, `{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8}`), save("y", 1, `{}`))
	process(t, p, save("x", 2, `{"a": 2, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8}`), deletion("y", 2))
	expect(t, query(t, pool, `SELECT r::text FROM "My ""Schema"""."Order's ""report""; --" AS r`), "(x,2,2,3,4,5,6,7,8,2)")

	execute(t, pool, `DROP TABLE "My ""Schema"""."Order's ""report""; --"`)
	process(t, newProcessor(t, pool, cfg), save("x", 1, `{}`))
	expect(t, query(t, pool, `SELECT report || ' ' || version FROM "State $1".report_versions`), `"My ""Schema"""."Order's ""report""; --" 1`)
}

func TestManyColumns(t *testing.T) {
	pool := newPool(t)
	cfg := report()
	var body strings.Builder
	for i := range 500 {
		cfg.Columns = append(cfg.Columns, table.Column{Name: fmt.Sprint("c", i), Path: fmt.Sprint("m", i), Type: "integer"})
		fmt.Fprintf(&body, `"m%d": %d, `, i, i)
	}
	process(t, newProcessor(t, pool, cfg), save("x", 1, "{"+body.String()+`"end": 0}`))
	expect(t, query(t, pool, "SELECT c0 + c250 + c499 FROM report"), "749")
}

func TestProcessesPrepareAtTheSameTime(t *testing.T) {
	dsn := localpgtest.Database(t)
	const processes = 8
	var pools []*pgxpool.Pool
	for range processes {
		pools = append(pools, openPool(t, dsn))
	}
	var all sync.WaitGroup
	for i, pool := range pools {
		p := newProcessor(t, pool, totals())
		all.Go(func() {
			if err := p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save(fmt.Sprint(i), 1, `{"total": 1}`)})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	expect(t, query(t, pools[0], "SELECT count(*) FROM report"), fmt.Sprint(processes))
	expect(t, query(t, pools[0], "SELECT count(*) FROM changefeed.report_versions"), fmt.Sprint(processes))
}

// Each table is made by the SQL, and does not fit; what the error says makes it
// fit.
func TestTableThatDoesNotFitIsReportedWithTheSQL(t *testing.T) {
	pool := newPool(t)
	for name, test := range map[string]struct {
		sql  string
		want []string // in the error
		run  []string // of these, the statements that help
	}{
		"a column is missing": {
			`CREATE TABLE report (id text PRIMARY KEY, _version bigint NOT NULL)`,
			[]string{`has no column "total"`, "counts as a change"},
			[]string{`ALTER TABLE "public"."report" ADD COLUMN "total" numeric;`},
		},
		"the version is missing": {
			`CREATE TABLE report (id text PRIMARY KEY, total numeric); INSERT INTO report VALUES ('old', 1)`,
			nil,
			[]string{`ALTER TABLE "public"."report" ADD COLUMN "_version" bigint NOT NULL DEFAULT 0;`},
		},
		"a column has another type": {
			`CREATE TABLE report (id text PRIMARY KEY, total integer, _version bigint NOT NULL)`,
			[]string{`column "total" of "public"."report" is integer, and must be numeric`},
			[]string{`ALTER TABLE "public"."report" ALTER COLUMN "total" TYPE numeric USING "total"::numeric;`},
		},
		"a column has another precision": {
			`CREATE TABLE report (id text PRIMARY KEY, total numeric(3,1), _version bigint NOT NULL)`,
			[]string{"is numeric(3,1), and must be numeric"},
			nil,
		},
		"there is no key": {
			`CREATE TABLE report (id text, total numeric, _version bigint NOT NULL)`,
			nil,
			[]string{`ALTER TABLE "public"."report" ADD PRIMARY KEY ("id");`},
		},
		"the key is deferrable, another partial, another wider": {
			`CREATE TABLE report (id text UNIQUE DEFERRABLE, total numeric, _version bigint NOT NULL, UNIQUE (id, total));
			 CREATE UNIQUE INDEX ON report (id) WHERE total > 0; CREATE UNIQUE INDEX ON report (lower(id))`,
			[]string{`has no unique index on ("id")`},
			nil,
		},
		"a column of somebody else's must not be null": {
			`CREATE TABLE report (id text PRIMARY KEY, total numeric, _version bigint NOT NULL, extra text NOT NULL, fine text NOT NULL DEFAULT '', n serial, i int GENERATED ALWAYS AS IDENTITY)`,
			nil,
			[]string{`ALTER TABLE "public"."report" ALTER COLUMN "extra" DROP NOT NULL;`},
		},
		"a column is generated": {
			`CREATE TABLE report (id text PRIMARY KEY, total numeric GENERATED ALWAYS AS (1) STORED, _version bigint NOT NULL)`,
			nil,
			[]string{`ALTER TABLE "public"."report" ALTER COLUMN "total" DROP EXPRESSION`},
		},
		"it is a view": {
			`CREATE VIEW report AS SELECT 1 AS id`,
			[]string{"is not a table"},
			nil,
		},
		"several things": {
			`CREATE TABLE report (id integer, total text)`,
			[]string{`is integer, and must be text`, `is text, and must be numeric`, `has no column "_version"`, "has no unique index"},
			nil,
		},
		"the guard": {
			`CREATE SCHEMA changefeed; CREATE TABLE changefeed.report_versions (report text, document_id text, version integer)`,
			[]string{"is integer, and must be bigint"},
			[]string{`ALTER TABLE "changefeed"."report_versions" ADD PRIMARY KEY ("report", "document_id");`, `ALTER TABLE "changefeed"."report_versions" ALTER COLUMN "version" TYPE bigint USING "version"::bigint;`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			empty(t, pool)
			execute(t, pool, test.sql)
			p := newProcessor(t, pool, totals())
			err := p.Prepare(t.Context())
			if !errors.Is(err, table.ErrPreflight) {
				t.Fatalf("got %v, want %v", err, table.ErrPreflight)
			}
			for _, want := range append(test.want, test.run...) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %s", err, want)
				}
			}
			if failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch([]pillows.Item{save("a", 1, `{}`)}))); failed != nil || !errors.Is(err, table.ErrPreflight) {
				t.Errorf("Process: %v, %v", failed, err)
			}
			for _, sql := range test.run {
				execute(t, pool, sql)
			}
			if test.run != nil {
				process(t, p, save("a", 1, `{"total": 1}`))
				expect(t, query(t, pool, "SELECT id FROM report WHERE id = 'a'"), "a")
			}
		})
	}
}

func TestTableThatHasMoreThanItNeedsFits(t *testing.T) {
	pool := newPool(t)
	execute(t, pool, `
		CREATE TABLE report (n serial PRIMARY KEY, _version bigint NOT NULL, note text, total numeric, gone int, id text UNIQUE);
		ALTER TABLE report DROP COLUMN gone`)
	process(t, newProcessor(t, pool, totals()), save("a", 1, `{"total": 1}`))
	expect(t, query(t, pool, rowsSQL), "a 1 1")
}
