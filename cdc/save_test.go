package cdc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
)

// memory is the state of one source, which can refuse.
type memory struct {
	mu    sync.Mutex
	saved []Checkpoint
	err   error
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) Claim(context.Context, string) (int64, *Checkpoint, error) { return 1, nil, nil }
func (m *memory) NextEpoch(_ context.Context, above uint32) (uint32, error) { return above + 1, nil }

func (m *memory) Save(_ context.Context, _ string, _ int64, c Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.saved = append(m.saved, c)
	}
	return m.err
}

func testSaver(m *memory, r *replay, top place) *saver {
	return &saver{
		store: m, source: "main", claim: 1, top: top, replay: r, window: testWindow(), limit: 10,
		begin:   Checkpoint{Epoch: 3, LSN: 100, Acknowledged: changefeed.Position{Source: "main", Epoch: 3, LSN: 90}, Offsets: changefeed.Offsets{"a": {5, 5}}},
		ends:    changefeed.Offsets{"a": {7, 8}},
		look:    func(context.Context) (changefeed.Offsets, error) { return nil, errors.New("no broker") },
		offsets: func() changefeed.Offsets { return changefeed.Offsets{"a": {0, 9, 4}, "b": {1}} },
		log:     slog.New(slog.DiscardHandler), counters: &counters{},
		stop: make(chan struct{}), moved: make(chan struct{}, 1),
	}
}

func TestCheckpointClaimsWhatIsAcknowledged(t *testing.T) {
	at := func(lsn, ordinal uint64) changefeed.Position {
		return changefeed.Position{Source: "main", Epoch: 3, LSN: lsn, Ordinal: ordinal}
	}
	known := newReplay(100, place{90, 0}, nil)
	for _, tt := range []struct {
		name   string
		replay *replay
		top    place
		at     headway
		want   Checkpoint
	}{
		{
			"nothing yet, and nothing was read back", known,
			place{},
			headway{},
			Checkpoint{Epoch: 3, LSN: 100, Acknowledged: at(90, 0), Offsets: changefeed.Offsets{"a": {7, 9}}},
		},
		{
			"a part of what was read back", known,
			place{200, 5},
			headway{commit: 180, through: place{200, 4}},
			Checkpoint{Epoch: 3, LSN: 180, Acknowledged: at(200, 4), Offsets: changefeed.Offsets{"a": {5, 5}}},
		},
		{
			"all that was read back", known,
			place{200, 5},
			headway{commit: 180, through: place{200, 5}},
			Checkpoint{Epoch: 3, LSN: 180, Acknowledged: at(200, 5), Offsets: changefeed.Offsets{"a": {7, 9}}},
		},
		{
			"a log that has not proved to be the same", newReplay(100, place{90, 0}, []place{{200, 5}}),
			place{200, 5},
			headway{commit: 180, through: place{200, 5}},
			Checkpoint{Epoch: 3, LSN: 100, Acknowledged: at(90, 0), Offsets: changefeed.Offsets{"a": {5, 5}}},
		},
		{
			"less than before", known,
			place{},
			headway{commit: 50, through: place{40, 5}},
			Checkpoint{Epoch: 3, LSN: 100, Acknowledged: at(90, 0), Offsets: changefeed.Offsets{"a": {7, 9}}},
		},
	} {
		v := testSaver(&memory{}, tt.replay, tt.top)
		if diff := cmp.Diff(tt.want, v.checkpoint(v.offsets(), tt.at, false)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
}

// Between the two reads more may be acknowledged. Then the offsets are too low,
// and never the acknowledged position.
func TestOffsetsAreNotAheadOfTheAcknowledgedPosition(t *testing.T) {
	m := &memory{}
	v := testSaver(m, newReplay(0, place{}, nil), place{})
	written := int64(0)
	publish := func() { // a record at the next offset of partition 0, acknowledged at once
		written++
		v.window.add(published{seq: uint64(written), changes: 1, through: place{lsn: 1000 + uint64(written)}})
		v.window.acknowledge(uint64(written))
	}
	v.ends = changefeed.Offsets{"a": {0}}
	v.offsets = func() changefeed.Offsets {
		publish()
		o := changefeed.Offsets{"a": {written}}
		publish() // before the window is asked
		return o
	}
	for range 3 {
		if err := v.save(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range m.saved {
		if offset, last := c.Offsets["a"][0], int64(c.Acknowledged.LSN)-1000; offset > last {
			t.Errorf("offset %d with %d records acknowledged: %d would not be read back", offset, last, offset-last)
		}
	}
}

func TestPublishingWaitsWhereTooMuchIsNotCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{err: errors.New("no state")}
		v := testSaver(m, newReplay(0, place{}, nil), place{})
		v.counters.setState("streaming")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- v.run(ctx) }()
		v.window.add(published{seq: 1, changes: 10, through: place{lsn: 500}})
		v.window.acknowledge(1)
		if err := v.room(ctx, 9); err != nil {
			t.Fatal(err)
		}
		entered := make(chan error, 1)
		go func() { entered <- v.room(ctx, 10) }()
		time.Sleep(time.Hour)
		select {
		case err := <-entered:
			t.Fatalf("room = %v with 10 changes that no checkpoint covers", err)
		default:
		}
		if got := v.counters.stats().State; got != "waiting for state" {
			t.Errorf("state %q", got)
		}
		m.fail(nil)
		if err := <-entered; err != nil {
			t.Fatal(err)
		}
		if got := v.counters.stats().State; got != "streaming" {
			t.Errorf("state %q", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Others write to the topics all the time, and this source does not. What is on
// its way when the ends are looked at holds them back until it is acknowledged.
func TestEndsThatOthersMoveAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		v := testSaver(m, newReplay(0, place{}, nil), place{})
		v.offsets = func() changefeed.Offsets { return nil }
		looks := 0
		v.look = func(context.Context) (changefeed.Offsets, error) {
			if looks++; looks == 1 {
				return nil, errors.New("no broker")
			}
			return changefeed.Offsets{"a": {1000, 2000, 3000}}, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- v.run(ctx) }()
		v.window.add(published{seq: 7, changes: 1, through: place{lsn: 500}})
		time.Sleep(2*time.Hour + time.Minute)
		synctest.Wait()
		if looks != 2 || len(m.saved) != 0 {
			t.Errorf("%d looks and %d checkpoints with a change on its way, want 2 and none", looks, len(m.saved))
		}
		v.window.acknowledge(7)
		time.Sleep(time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := changefeed.Offsets{"a": {1000, 2000}} // as many partitions as there were
		if n := len(m.saved); n == 0 || cmp.Diff(want, m.saved[n-1].Offsets) != "" {
			t.Errorf("saved %+v, want offsets %v at last", m.saved, want)
		}
	})
}

// What is published while the log is put to the test is not covered by any
// checkpoint, and has to be published for the test to end.
func TestPublishingDoesNotWaitWhileNothingCanBeSaved(t *testing.T) {
	v := testSaver(&memory{}, newReplay(0, place{}, []place{{200, 0}}), place{200, 0})
	if err := v.room(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
}

func TestFencedSaverEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := testSaver(&memory{err: ErrFenced}, newReplay(0, place{}, nil), place{})
		v.window.add(published{seq: 1, changes: 1, through: place{lsn: 500}})
		v.window.acknowledge(1)
		if err := v.run(t.Context()); !interrupts(err) || !errors.Is(err, ErrFenced) {
			t.Errorf("run = %v, want an interruption", err)
		}
	})
}

// The window is more than enough for what waits to be acknowledged: a publisher
// that waits for a checkpoint always gets one.
func TestWindowIsLessThanWhatMayBeUncovered(t *testing.T) {
	if windowBatches*publishChanges >= maxUncovered {
		t.Errorf("%d changes can be on their way, and %d uncovered", windowBatches*publishChanges, maxUncovered)
	}
}
