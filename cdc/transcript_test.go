package cdc_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// transcript is what is said between an application and a topic: SQL in, changes
// out. The SQL is testdata/transcripts/<name>.sql: statements are separated by
// empty lines, one or several on a line make a transaction of their own.
type transcript struct {
	*live
	text         strings.Builder
	seen         int            // changes written so far
	transactions map[uint64]int // by commit LSN, numbered as they come
	stats        cdc.Stats
	warnings     int
}

// transcriptRoutes are those of all transcripts; the tables are in schema.sql.
func transcriptRoutes() []cdc.Table {
	public := func(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }
	return []cdc.Table{
		{
			Name: public("orders"), Topic: "orders", DocumentID: []string{"order_id"},
			Domain:       cdc.Value{Column: "tenant"},
			DocumentType: cdc.Value{Constant: changefeed.NewText("Order")},
			DocumentSubtype: cdc.Value{
				Column: "state", Values: map[string]string{"1": "open", "2": "closed"}, Default: changefeed.NewText("other"),
			},
			Deleted: cdc.Condition{Column: "deleted_on", NotNull: true},
		},
		{Name: public("order_lines"), Parent: public("orders"), DocumentID: []string{"order_id"}},
		{Name: public("audit"), Topic: "audit", DocumentID: []string{"at", "what"}, Operations: cdc.Insert},
		{
			Name: public("Mixed Case"), Topic: "mixed", DocumentID: []string{"Part A", "b"},
			DocumentType: cdc.Value{Column: "Kind"}, DataSourceName: "mixed",
			Deleted: cdc.Condition{Column: "Flags", Bit: 6},
		},
	}
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		if name == "schema" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			got := transcribe(t, readFile(t, file))
			golden := strings.TrimSuffix(file, ".sql") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
				t.Errorf("%s (write it anew with -update):\n%s", golden, diff)
			}
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// transcribe runs SQL and returns the transcript.
func transcribe(t *testing.T, sql string) string {
	t.Helper()
	tr := &transcript{live: newLive(t, readFile(t, "testdata/transcripts/schema.sql"), transcriptRoutes()...), transactions: make(map[uint64]int)}
	tr.cfg.PieceDocuments = 6
	tr.cfg.Topics, tr.cfg.AllowSuppress = []string{"elsewhere"}, true
	tr.init()
	tr.start()
	tr.stats = tr.publisher.Stats()
	for block := range strings.SplitSeq(strings.TrimSpace(sql), "\n\n") {
		tr.run(block)
	}
	tr.drain()
	return tr.text.String()
}

// run runs one block and writes what came of it.
func (tr *transcript) run(block string) {
	tr.Helper()
	for line := range strings.Lines(block + "\n") {
		tr.text.WriteString("sql> " + line)
	}
	// As a simple query, so that several statements are one transaction.
	if _, err := tr.conn.PgConn().Exec(tr.Context(), block).ReadAll(); err != nil {
		fmt.Fprintf(&tr.text, "     %v\n", err)
	}
	tr.fence()
	changes := tr.published()
	for i := tr.seen; i < len(changes); i++ {
		tr.text.WriteString("     " + tr.line(&changes[i]) + "\n")
	}
	tr.seen = len(changes)
	tr.counts()
	tr.logged()
	tr.text.WriteString("\n")
}

// line writes a change without what differs from run to run.
func (tr *transcript) line(c *changefeed.Change) string {
	number, known := tr.transactions[c.Position.LSN]
	if !known {
		number = len(tr.transactions) + 1
		tr.transactions[c.Position.LSN] = number
	}
	m := &c.Meta
	var line strings.Builder
	fmt.Fprintf(&line, "%d/%d %s: %s from %s", number, c.Position.Ordinal, c.Topic, m.DocumentID, m.DataSourceName)
	for _, field := range []struct {
		name  string
		value changefeed.Text
	}{{"domain", m.Domain}, {"type", m.DocumentType}, {"subtype", m.DocumentSubtype}} {
		line.WriteString(", " + field.name + " " + field.value.Or("null"))
	}
	if m.IsDeletion {
		line.WriteString(", deleted")
	}
	return line.String()
}

// counts writes what was left out.
func (tr *transcript) counts() {
	now := tr.publisher.Stats()
	for _, count := range []struct {
		name        string
		now, before uint64
	}{
		{"parents gone", now.ParentsGone, tr.stats.ParentsGone},
		{"rows without a document", now.WithoutDocument, tr.stats.WithoutDocument},
		{"rows ignored", now.Ignored, tr.stats.Ignored},
		{"tables truncated", now.Truncates, tr.stats.Truncates},
		{"changes suppressed", now.Suppressed, tr.stats.Suppressed},
		{"messages not heeded", now.MessagesIgnored, tr.stats.MessagesIgnored},
		{"messages malformed", now.Malformed, tr.stats.Malformed},
	} {
		if count.now != count.before {
			fmt.Fprintf(&tr.text, "     counted: %d %s\n", count.now-count.before, count.name)
		}
	}
	tr.stats = now
}

var changing = regexp.MustCompile(`(time|lsn)=\S+ ?`)

// logged writes what was logged.
func (tr *transcript) logged() {
	lines := strings.SplitAfter(tr.log.String(), "\n")
	for ; tr.warnings < len(lines)-1; tr.warnings++ {
		if line := lines[tr.warnings]; strings.Contains(line, "level=WARN") {
			tr.text.WriteString("     logged: " + strings.TrimSpace(changing.ReplaceAllString(line, "")) + "\n")
		}
	}
}
