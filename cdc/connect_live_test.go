package cdc_test

import (
	"testing"

	"changefeed/cdc"
)

// A server that would never, or only late, take a silent publisher for dead is
// told otherwise for the publisher's own connection.
func TestSilentPublisherIsTakenForDeadWithinAMinute(t *testing.T) {
	for setting, want := range map[string]int{"0": 1, "5min": 1, "60s": 0, "30s": 0} {
		l := watched(t, map[string]string{"wal_sender_timeout": setting}, things, routed("things", "id"))
		l.init()
		dials := &countedDials{}
		deps := l.deps()
		deps.Dial = dials.dial
		var err error
		if l.publisher, err = cdc.New(l.cfg, deps); err != nil {
			t.Fatal(err)
		}
		l.run()
		l.fence()
		if n := dials.written("SET wal_sender_timeout = 60000"); n != want {
			t.Errorf("where it is %s, it is set %d times, want %d", setting, n, want)
		}
		l.drain()
	}
}
