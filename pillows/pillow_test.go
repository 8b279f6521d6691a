package pillows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestEveryChangeIsAppliedOnceAndCommitted(t *testing.T) {
	inWorld(t, 4, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		r := w.start(config(), sink)
		w.save(ids(1000)...)
		total := w.untilCommitted(1000)
		want := pillows.Progress{Changes: 1000, Counts: pillows.Counts{Applied: 1000}, State: pillows.Running}
		if diff := cmp.Diff(want, total); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[pillows.Verdict]int{pillows.Applied: 1000}, r.seen.of("report")); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
		for change, n := range perChange(sink.Deliveries()) {
			if n != 1 {
				t.Errorf("change %s was given %d times", change, n)
			}
		}
		if body, ok := sink.Read("order-00999"); !ok || string(body) != `{"lsn": 1000}` {
			t.Errorf("the sink has %q, %v", body, ok)
		}
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
