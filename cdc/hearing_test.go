package cdc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// While the queue is full the publisher does not read, for as long as the sink
// takes: what the server says then is not heard, and it is not asked.
func TestTimeInWhichNothingIsReadIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		watch := &silenceWatch{
			timeout: time.Minute, heard: &hearing{}, ask: func() { t.Error("the server was asked") },
			busy: func(context.Context) (bool, error) { t.Error("the server was looked at"); return false, nil },
		}
		if err := watch.run(ctx); err != nil {
			t.Error(err)
		}
	})
}

// What comes while the server is looked at counts.
func TestWhatComesAtTheLastMomentIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		heard, looks := &hearing{}, 0
		heard.waiting.Store(true)
		watch := &silenceWatch{timeout: time.Minute, heard: heard, ask: func() {}, busy: func(context.Context) (bool, error) {
			looks++
			heard.reads.Add(1)
			return false, nil
		}}
		if err := watch.run(ctx); err != nil || looks < 50 {
			t.Errorf("run = %v after %d looks, want nil after about 60", err, looks)
		}
	})
}
