// Package setuptest serves tests that need a database which is set up for
// publishing.
package setuptest

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/setup"
)

// Connect opens a connection that is closed when the test ends.
func Connect(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := setup.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return conn
}

// Config makes a valid configuration of a source named main. The slot is named
// after the database: slots belong to the whole server.
func Config(tb testing.TB, conn *pgx.Conn, routes ...cdc.Table) cdc.Config {
	tb.Helper()
	cfg := cdc.Config{
		Source: "main", DSN: conn.Config().ConnString(), Slot: "slot_" + Text(tb, conn, "SELECT current_database()"),
		Publication: "changefeed_main", Tables: routes,
	}
	if err := cfg.Validate(); err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// Route makes a route of a table's name, as SQL writes it, and document id, to
// the topic documents.
func Route(name string, id ...string) cdc.Table {
	table, err := cdc.ParseTableName(name)
	if err != nil {
		panic(err)
	}
	return cdc.Table{Name: table, Topic: "documents", DocumentID: id, DocumentType: cdc.Value{Constant: changefeed.NewText("Document")}}
}

// Exec runs statements one by one, those of a script by themselves if they are
// separated by semicolons at line ends.
func Exec(tb testing.TB, conn *pgx.Conn, statements ...string) {
	tb.Helper()
	for _, s := range statements {
		for sql := range strings.SplitSeq(s, ";\n") {
			if _, err := conn.Exec(tb.Context(), sql); err != nil {
				tb.Fatalf("%s: %v", sql, err)
			}
		}
	}
}

// Text returns the text that a query of one row and column answers.
func Text(tb testing.TB, conn *pgx.Conn, sql string, args ...any) string {
	tb.Helper()
	var text string
	if err := conn.QueryRow(tb.Context(), sql, args...).Scan(&text); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return text
}

// Preflight returns what stands against publishing, and requires that every
// refusal has a remedy.
func Preflight(tb testing.TB, conn *pgx.Conn, cfg cdc.Config) setup.Report {
	tb.Helper()
	report, err := setup.Preflight(tb.Context(), conn, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Severity == setup.Refuse && len(f.Remedies) == 0 {
			tb.Errorf("a refusal without a remedy: %s", f.String())
		}
	}
	return report
}

// Plan returns the steps that set up the source.
func Plan(tb testing.TB, conn *pgx.Conn, cfg cdc.Config) setup.Steps {
	tb.Helper()
	steps, err := setup.Plan(tb.Context(), conn, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return steps
}

// Apply runs the steps.
func Apply(tb testing.TB, conn *pgx.Conn, steps setup.Steps) {
	tb.Helper()
	if err := setup.Apply(tb.Context(), conn, steps, slog.New(slog.DiscardHandler)); err != nil {
		tb.Fatal(err)
	}
}

// Init sets up, and requires that nothing is left to do.
func Init(tb testing.TB, conn *pgx.Conn, cfg cdc.Config) {
	tb.Helper()
	Apply(tb, conn, Plan(tb, conn, cfg))
	if steps := Plan(tb, conn, cfg); len(steps) != 0 {
		tb.Errorf("a second set-up is not empty:\n%s", steps.SQL())
	}
}
