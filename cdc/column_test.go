package cdc_test

import (
	"strings"
	"testing"
	"time"

	"changefeed/cdc"
)

const notes = "CREATE TABLE notes (code int PRIMARY KEY, tenant text NOT NULL, kind text, spare text)"

func notesRoute(id, domain string) cdc.Table {
	t := routed("notes", id)
	t.Domain = cdc.Value{Column: domain}
	return t
}

// domains returns what was published as id and domain.
func (l *live) domains() string {
	var all []string
	for _, c := range l.published() {
		all = append(all, c.Meta.DocumentID+" "+c.Meta.Domain.String)
	}
	return strings.Join(all, ", ")
}

// stops waits until the publisher has stopped with an error that says this.
func (l *live) stops(says ...string) {
	l.Helper()
	select {
	case <-l.done:
	case <-time.After(20 * time.Second):
		l.Fatalf("it does not stop: published %s\n%s", l.domains(), l.log)
	}
	for _, text := range says {
		if l.err == nil || !strings.Contains(l.err.Error(), text) {
			l.Fatalf("Run = %v, want an error with %q", l.err, text)
		}
	}
}

func TestBacklogUnderFormerNamesOfColumnsIsRead(t *testing.T) {
	l := newLive(t, notes, notesRoute("code", "tenant"))
	l.init()
	l.exec("INSERT INTO notes VALUES (1, 'a')", "ALTER TABLE notes RENAME tenant TO org", "INSERT INTO notes VALUES (2, 'b')",
		"ALTER TABLE notes RENAME code TO id", "DELETE FROM notes WHERE id = 1")
	l.cfg.Tables[0] = notesRoute("id", "org")
	l.init()
	l.start()
	l.fence()
	if got, want := l.domains(), "1 a, 2 b, 1 a"; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	l.drain()
}

func TestColumnRenamedWhileStreamingStopsThePublisherAndNothingIsLost(t *testing.T) {
	l := newLive(t, notes, notesRoute("code", "tenant"))
	l.init()
	l.start()
	l.exec("INSERT INTO notes VALUES (1, 'a')", "ALTER TABLE notes RENAME tenant TO org", "INSERT INTO notes VALUES (2, 'b')")
	l.stops(`column "tenant" is not among the published columns of public.notes (code, org)`, "change its name in the route to the new one and restart")
	l.cfg.Tables[0] = notesRoute("code", "org")
	if err := l.preflight().Err(); err != nil {
		t.Errorf("preflight refuses: %v", err)
	}
	l.start()
	l.fence()
	if got, want := l.domains(), "1 a, 2 b"; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	l.drain()
}

// What looks like a renaming and may be none stops the publisher.
func TestBacklogOfColumnsThatWereReplacedIsNotReadByPlace(t *testing.T) {
	for _, tt := range []struct{ name, change, now string }{
		{"dropped and added", "ALTER PUBLICATION changefeed_main SET TABLE fence (id), notes (code);\nALTER TABLE notes REPLICA IDENTITY DEFAULT;\nALTER TABLE notes DROP tenant;\nALTER TABLE notes ADD org text NOT NULL DEFAULT ''", "org"},
		{"renamed, and another listed instead", "ALTER TABLE notes RENAME tenant TO former;\nALTER TABLE notes ALTER spare SET NOT NULL", "spare"},
		{"swapped, and one renamed", "ALTER TABLE notes RENAME kind TO other;\nALTER TABLE notes RENAME tenant TO kind;\nALTER TABLE notes RENAME other TO org;\nALTER TABLE notes ALTER org SET NOT NULL", "org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t, notes, notesRoute("code", "tenant"))
			l.init()
			l.exec("INSERT INTO notes VALUES (1, 'a', 'k', 's')", tt.change)
			l.cfg.Tables[0] = notesRoute("code", tt.now)
			l.init()
			l.startWith(l.deps())
			l.stops(`column "`+tt.now+`" is not among the published columns of public.notes (code, tenant)`, "if it was renamed")
			if got := l.domains(); got != "" {
				t.Errorf("published %s", got)
			}
		})
	}
}

func TestIDsStayWhenTheTypeOfTheirColumnChanges(t *testing.T) {
	l := newLive(t, notes, notesRoute("code", "tenant"))
	l.init()
	l.start()
	l.exec("INSERT INTO notes VALUES (1, 'a')")
	for _, typ := range []string{"bigint", "text"} {
		l.exec("BEGIN;\nALTER PUBLICATION changefeed_main DROP TABLE notes;\nALTER TABLE notes ALTER code TYPE "+typ+
			";\nALTER PUBLICATION changefeed_main ADD TABLE notes (code, tenant);\nCOMMIT", "UPDATE notes SET kind = 'x'")
	}
	l.exec("DELETE FROM notes")
	l.fence()
	if got, want := l.domains(), "1 a, 1 a, 1 a, 1 a"; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
	l.drain()
	if err := l.preflight().Err(); err != nil {
		t.Errorf("preflight refuses: %v", err)
	}
}
