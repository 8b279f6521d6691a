package cdc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const events = `CREATE TABLE events (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE events_east PARTITION OF events FOR VALUES IN ('east');
CREATE TABLE events_west (note text, region text NOT NULL, id int NOT NULL, PRIMARY KEY (id, region));
ALTER TABLE events ATTACH PARTITION events_west FOR VALUES IN ('west')`

// outcomes returns what was published: id, source, and whether it is a deletion.
func (l *live) outcomes() []string {
	var all []string
	for _, c := range l.published() {
		text := c.Meta.DocumentID + " " + c.Meta.DataSourceName
		if c.Meta.IsDeletion {
			text += " deleted"
		}
		all = append(all, text)
	}
	return all
}

func (l *live) wantOutcomes(want ...string) {
	l.Helper()
	if got := l.outcomes(); !slices.Equal(got, want) {
		l.Errorf("published\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), l.log)
	}
}

func TestPartitionsBelongToTheRouteOfTheirRoot(t *testing.T) {
	const source = " main/public.events"
	l := newLive(t, events, routed("events", "id"))
	l.init()
	l.start()
	l.exec("INSERT INTO events VALUES (1, 'east'), (2, 'west')",
		"UPDATE events SET region = 'west' WHERE id = 1", // moves the row
		"CREATE TABLE events_north PARTITION OF events FOR VALUES IN ('north')",
		"INSERT INTO events VALUES (3, 'north')") // in no publication yet
	l.init()
	l.exec("INSERT INTO events VALUES (4, 'north')",
		"ALTER TABLE events_east RENAME TO events_sunrise",
		"INSERT INTO events VALUES (5, 'east')",
		"DELETE FROM events WHERE id = 2")
	l.fence()
	l.wantOutcomes("1"+source, "2"+source, "1"+source, "4"+source, "5"+source, "2"+source+" deleted")
	l.drain()
}

// A row that moves between partitions is one save, also where what goes away is
// named after what has come.
func TestRowsMovedBetweenPartitionsAreSavedOnceEach(t *testing.T) {
	l := newLive(t, events, routed("events", "id"))
	l.init()
	l.start()
	l.exec("INSERT INTO events SELECT i, 'east' FROM generate_series(1, 50) i")
	l.fence()
	before := len(l.published())
	l.exec("UPDATE events SET region = CASE region WHEN 'east' THEN 'west' ELSE 'east' END",
		"BEGIN;\nUPDATE events SET region = 'east' WHERE id <= 10;\nUPDATE events SET region = 'west' WHERE id <= 10;\nCOMMIT")
	l.fence()
	moved := l.published()[before:]
	if len(moved) != 60 {
		t.Errorf("%d changes, want 60", len(moved))
	}
	for _, c := range moved {
		if c.Meta.IsDeletion {
			t.Errorf("document %s was deleted", c.Meta.DocumentID)
		}
	}
	l.drain()
}

func TestTablesThatInheritBelongToTheRouteOfTheirParent(t *testing.T) {
	const source = " main/public.things"
	l := newLive(t, things+";\nCREATE TABLE special (extra int, PRIMARY KEY (id)) INHERITS (things)", routed("things", "id"))
	l.init()
	l.start()
	l.exec("INSERT INTO things VALUES (1)", "INSERT INTO special VALUES (2)", "UPDATE things SET note = 'x'", "DELETE FROM things WHERE id = 2")
	l.fence()
	got := l.outcomes()
	slices.Sort(got[2:4]) // the order of an update is the server's
	if want := []string{"1" + source, "2" + source, "1" + source, "2" + source, "2" + source + " deleted"}; !slices.Equal(got, want) {
		t.Errorf("published %q, want %q", got, want)
	}
	l.drain()
}

// A detached partition's rows are no documents of the route any more. The
// publisher says so and goes on.
func TestDetachedPartitionIsSaidAndItsRowsStop(t *testing.T) {
	for _, tt := range []struct{ name, detach string }{
		{"detached", "ALTER TABLE events DETACH PARTITION events_east"},
		{"detached and renamed", "ALTER TABLE events DETACH PARTITION events_east;\nALTER TABLE events_east RENAME TO old_east"},
		{"moved to another partitioned table", `CREATE TABLE archive (LIKE events) PARTITION BY LIST (region);
ALTER TABLE events DETACH PARTITION events_east;
ALTER TABLE archive ATTACH PARTITION events_east FOR VALUES IN ('east')`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const source = " main/public.events"
			l := newLive(t, events, routed("events", "id"))
			l.init()
			l.start()
			oid := l.text("SELECT 'events_east'::regclass::oid::text")
			l.exec("INSERT INTO events VALUES (1, 'east'), (2, 'west')", tt.detach)
			l.exec(fmt.Sprintf("DO $$BEGIN EXECUTE format('INSERT INTO %%s VALUES (3, ''east'')', %s::regclass); END$$", oid))
			l.exec("INSERT INTO events VALUES (4, 'west')")
			l.fence()
			l.wantOutcomes("1"+source, "2"+source, "4"+source)
			if !strings.Contains(l.log.String(), "was detached from one that is routed") {
				t.Errorf("not said:\n%s", l.log)
			}
			l.drain()
		})
	}
}

// The partitions of a table that was renamed have lost their route, like it.
func TestRenamedPartitionedTableStopsThePublisher(t *testing.T) {
	for _, tt := range []struct{ name, change string }{
		{"renamed", "ALTER TABLE events RENAME TO events_old"},
		{"replaced", "ALTER TABLE events RENAME TO events_old;\nCREATE TABLE events (LIKE events_old) PARTITION BY LIST (region)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t, events, routed("events", "id"))
			l.init()
			l.start()
			l.exec(tt.change, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"+l.cfg.Slot+"'")
			l.until("the next session streams", func() bool { return l.publisher.Stats().Sessions > 1 && l.publisher.Stats().Streaming })
			l.exec("INSERT INTO events_old VALUES (1, 'east')")
			select {
			case <-l.done:
			case <-time.After(20 * time.Second):
				t.Fatalf("it does not stop: published %q\n%s", l.outcomes(), l.log)
			}
			if l.err == nil || !strings.Contains(l.err.Error(), "which has no route") {
				t.Fatalf("Run = %v", l.err)
			}
		})
	}
}
