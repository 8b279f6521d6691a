package table_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"changefeed/pillows/table"
)

func TestValidateReportsEveryFault(t *testing.T) {
	column := func(name, path, kind string) table.Column { return table.Column{Name: name, Path: path, Type: kind} }
	for name, test := range map[string]struct {
		change func(*table.Config)
		want   []string
	}{
		"no columns":      {func(c *table.Config) { c.Columns = nil }, []string{"no column is the primary key", "{name: id, path: _id, type: text, primary_key: true}"}},
		"no key":          {func(c *table.Config) { c.Columns[0].PrimaryKey = false }, []string{"no column is the primary key"}},
		"two keys":        {func(c *table.Config) { c.Columns[1].PrimaryKey, c.Columns[1].Path = true, "_id" }, []string{"2 columns are the primary key"}},
		"key by path":     {func(c *table.Config) { c.Columns[0].Path = "order_id" }, []string{`path "order_id" of the primary key`, "must be _id"}},
		"key of a number": {func(c *table.Config) { c.Columns[0].Type = "numeric" }, []string{"text, smallint, integer, bigint, uuid"}},
		"id as a number":  {func(c *table.Config) { c.Columns[1] = column("n", "_id", "real") }, []string{"text, smallint, integer, bigint, uuid"}},
		"no name":         {func(c *table.Config) { c.Name = "" }, []string{"the name is empty"}},
		"long name":       {func(c *table.Config) { c.Name = strings.Repeat("é", 32) }, []string{"64 bytes"}},
		"guard's name":    {func(c *table.Config) { c.Schema, c.Name = "changefeed", "report_versions" }, []string{"taken by the guard"}},
		"system schema":   {func(c *table.Config) { c.Schema = "pg_temp" }, []string{"start with pg_"}},
		"version":         {func(c *table.Config) { c.Columns[1].Name = "_version" }, []string{"row's version"}},
		"system column":   {func(c *table.Config) { c.Columns[1].Name = "xmin" }, []string{"system column"}},
		"repeated column": {func(c *table.Config) { c.Columns[1].Name = "id" }, []string{"listed twice"}},
		"no column name":  {func(c *table.Config) { c.Columns[1].Name = "" }, []string{"the name is empty"}},
		"NUL in a name":   {func(c *table.Config) { c.Columns[1].Name = "a\x00b" }, []string{"cannot store"}},
		"no path":         {func(c *table.Config) { c.Columns[1].Path = "" }, []string{"no path"}},
		"empty part":      {func(c *table.Config) { c.Columns[1].Path = "a..b" }, []string{"between the dots"}},
		"unknown type":    {func(c *table.Config) { c.Columns[1].Type = "money" }, []string{`"money"`, "timestamptz", "jsonb"}},
		"bad scale":       {func(c *table.Config) { c.Columns[1].Type = "numeric(2,3)" }, []string{"scale"}},
		"bad precision":   {func(c *table.Config) { c.Columns[1].Type = "numeric(1001)" }, []string{"1 to 1000"}},
		"too many columns": {func(c *table.Config) {
			for i := range 1600 {
				c.Columns = append(c.Columns, column(fmt.Sprint("c", i), "x", "text"))
			}
		}, []string{"1599"}},
		"all at once": {func(c *table.Config) { c.Name, c.Columns[1].Type, c.Columns[0].Path = "", "money", "x" }, []string{"the name is empty", "money", "must be _id"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := totals()
			test.change(&cfg)
			err := cfg.Validate()
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			if _, err := table.New(cfg, table.Deps{Log: slog.New(slog.DiscardHandler)}); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

func TestValidateTakesEveryTypeAndItsAliases(t *testing.T) {
	for _, kind := range []string{
		"text", "boolean", "bool", "smallint", "int2", "integer", "int", "int4", "bigint", "int8", "numeric", "decimal", "dec",
		"numeric(10,2)", "NUMERIC ( 10 , 2 )", "decimal(10)", "real", "float4", "double precision", "Double  Precision", "float8", "float", "date",
		"timestamp", "timestamp without time zone", "timestamptz", "timestamp with time zone", "time", "time without time zone", "uuid", "jsonb",
	} {
		if err := report(table.Column{Name: "c", Path: "x", Type: kind}).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestNameTellsTablesApart(t *testing.T) {
	pool := newPool(t)
	cfg := totals()
	if got, want := newProcessor(t, pool, cfg).Name(), "table:report"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cfg.Schema = "sales"
	if got, want := newProcessor(t, pool, cfg).Name(), "table:sales.report"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
