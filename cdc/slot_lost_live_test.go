package cdc_test

import (
	"errors"
	"strings"
	"testing"

	"changefeed/cdc"
)

// The server removes log that the slot needs while the publisher is away, or while
// it is held up: it says so with what is needed to go on.
func TestSlotWhoseLogIsGoneIsLost(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		l := watched(t, map[string]string{"max_slot_wal_keep_size": "2MB", "wal_keep_size": "0"}, things, routed("things", "id"))
		l.init()
		l.start()
		if streaming {
			l.sinks.last().Hold()
			l.exec("INSERT INTO things VALUES (1, 'is not acknowledged')")
		} else {
			l.drain()
		}
		confirmed := l.confirmed()
		l.until("the slot is lost", func() bool {
			l.write(1 << 20)
			l.exec("SELECT pg_switch_wal()", "CHECKPOINT")
			return l.text("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '"+l.cfg.Slot+"'") == "lost"
		})
		if !streaming {
			var err error
			if l.publisher, err = cdc.New(l.cfg, l.deps()); err != nil {
				t.Fatal(err)
			}
			l.err = l.publisher.Run(t.Context())
		} else {
			<-l.done
		}
		lost, ok := errors.AsType[*cdc.SlotLostError](l.err)
		if !ok || lost.Reason != cdc.SlotWALRemoved || lost.LSN < confirmed || errors.Is(l.err, cdc.ErrSlotMissing) {
			t.Fatalf("streaming %v: Run = %v, want a lost slot with at least %X", streaming, l.err, confirmed)
		}
		for _, text := range []string{"SELECT pg_drop_replication_slot('" + l.cfg.Slot + "')", "changefeed init", "max_slot_wal_keep_size"} {
			if !strings.Contains(l.err.Error(), text) {
				t.Errorf("%v does not say %s", l.err, text)
			}
		}
		l.exec("SELECT pg_drop_replication_slot('" + l.cfg.Slot + "')")
		l.init()
		l.start()
		l.drain()
	}
}
