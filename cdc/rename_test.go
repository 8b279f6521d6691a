package cdc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"changefeed/cdc"
)

// A publication follows a table through a change of its name.
func TestRenamedTableStopsThePublisherAndNothingIsLost(t *testing.T) {
	for _, tt := range []struct {
		name, change, now, remedy string
		mend                      func(*live)
	}{
		{
			"renamed, and renamed back", "ALTER TABLE things RENAME TO things_old", "things_old",
			"ALTER TABLE public.things_old RENAME TO things", func(l *live) { l.exec("ALTER TABLE things_old RENAME TO things") },
		},
		{
			"moved, and the route corrected", "CREATE SCHEMA archive;\nALTER TABLE things SET SCHEMA archive", "archive.things",
			"ALTER TABLE archive.things SET SCHEMA public", func(l *live) { l.cfg.Tables[0].Name = cdc.TableName{Schema: "archive", Name: "things"} },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t, things, routed("things", "id"))
			l.init()
			l.start() // nothing of the table has been read when it loses its name
			l.exec(tt.change)
			renamed := l.lsn("pg_current_wal_lsn()")
			l.exec("INSERT INTO " + tt.now + " VALUES (1)")
			<-l.done
			var unrouted *cdc.UnroutedError
			if !errors.As(l.err, &unrouted) || unrouted.LSN < renamed || !strings.Contains(l.err.Error(), tt.remedy) {
				t.Fatalf("Run = %v", l.err)
			}
			if confirmed := l.confirmed(); confirmed > unrouted.LSN {
				t.Errorf("confirmed %X, beyond the change at %X", confirmed, unrouted.LSN)
			}
			refusal := l.preflight().Err()
			if refusal == nil || !strings.Contains(refusal.Error(), "table public.things: it does not exist") {
				t.Errorf("a restart is not refused: %v", refusal)
			}
			tt.mend(l)
			if err := l.preflight().Err(); err != nil {
				t.Errorf("when mended, preflight refuses: %v", err)
			}
			l.start()
			l.exec("INSERT INTO " + l.cfg.Tables[0].Name.SQL() + " VALUES (2)")
			l.fence()
			var got []string
			for _, c := range l.published() {
				got = append(got, c.Meta.DocumentID)
			}
			if !slices.Equal(got, []string{"1", "2"}) {
				t.Errorf("published %q, want 1 and 2", got)
			}
			l.drain()
		})
	}
}

func TestTableRenamedBetweenSessionsStopsThePublisher(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.init()
	l.start()
	l.exec("ALTER TABLE things RENAME TO things_old",
		"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"+l.cfg.Slot+"'")
	l.until("the next session streams", func() bool { return l.publisher.Stats().Sessions > 1 && l.publisher.Stats().Streaming })
	l.exec("INSERT INTO things_old VALUES (1)")
	<-l.done
	if _, ok := errors.AsType[*cdc.UnroutedError](l.err); !ok {
		t.Fatalf("Run = %v", l.err)
	}
}
