package pillows_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

const largeBody = 1 << 20

// large is a store that has every document, each with a large body of its own,
// and knows which of the bodies are still in memory.
type large struct {
	mu     sync.Mutex
	bodies []weak.Pointer[byte]
	calls  int
	left   int // documents that a call had no room for
	held   int // the greatest size of all bodies in memory at one time, in bytes
}

func (s *large) GetMany(_ context.Context, _ docstore.Horizon, ids []string) ([]docstore.Result, error) {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	results := make([]docstore.Result, len(ids))
	for i, id := range ids {
		if (i+1)*largeBody > docstore.MaxBytes {
			results[i].Err = docstore.ErrNotRead
			s.left++
			continue
		}
		body := []byte(`"` + strings.Repeat("x", largeBody-2) + `"`)
		s.bodies = append(s.bodies, weak.Make(&body[0]))
		results[i].Document = docstore.Document{ID: id, Body: body}
	}
	return results, nil
}

// look finds out what is in memory.
func (s *large) look() {
	runtime.GC()
	s.mu.Lock()
	defer s.mu.Unlock()
	held := 0
	for _, b := range s.bodies {
		if b.Value() != nil {
			held += largeBody
		}
	}
	s.held = max(s.held, held)
}

// light is a processor that keeps no bodies, and has the store look at the memory.
type light struct {
	*pillowtest.Recorder
	store *large
}

func (l *light) Process(ctx context.Context, b *pillows.Batch) error {
	l.store.look()
	stubs := pillows.NewBatch(make([]pillows.Item, len(b.Items)))
	for i := range b.Items {
		stubs.Items[i].Change = b.Items[i].Change
	}
	err := l.Recorder.Process(ctx, stubs)
	for i := range stubs.Items {
		b.Settle(i, stubs.Verdict(i))
	}
	return err
}

// startLarge runs a pillow over large documents that have all been published.
func (w *world) startLarge(store *large, recorders ...*pillowtest.Recorder) *run {
	w.t.Helper()
	deps := w.deps()
	deps.Stores = new(docstore.Registry)
	for _, name := range []string{source, "second"} {
		if err := deps.Stores.Register(name, store); err != nil {
			w.t.Fatal(err)
		}
	}
	processors := make([]pillows.Processor, len(recorders))
	for i, r := range recorders {
		processors[i] = &light{r, store}
	}
	return w.startWith(config(), deps, processors...)
}

// publishLarge publishes n saves, every tenth of another data source, and a
// deletion after each five of them.
func (w *world) publishLarge(n int) (changes int64) {
	w.t.Helper()
	var all []changefeed.Change
	for i := range n {
		c := w.stub(fmt.Sprint("large-", i), false)
		if i%10 == 9 {
			c.Meta.DataSourceName = "second"
		}
		all = append(all, c)
		if i%5 == 4 {
			all = append(all, w.stub(fmt.Sprint("gone-", i), true))
		}
	}
	w.publish(all...)
	return int64(len(all))
}

func TestDocumentsThatDoNotFitIntoMemoryAreWorkedOnInTurns(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		store := new(large)
		one, two := pillowtest.NewRecorder("one"), pillowtest.NewRecorder("two")
		changes := w.publishLarge(60)
		var last time.Time
		two.Before = func(context.Context, *pillows.Batch) error { last = time.Now(); return nil }
		began := time.Now()
		r := w.startLarge(store, one, two)
		total := w.untilCommitted(changes)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if total.Applied != 2*changes || total.Total() != total.Applied {
			t.Errorf("%+v, want %d applied", total, 2*changes)
		}
		for _, sink := range []*pillowtest.Recorder{one, two} {
			if n := len(sink.Deliveries()); n != int(changes) {
				t.Errorf("%s was given %d items, want %d", sink.Name(), n, changes)
			}
			if n := r.seen.of(sink.Name())[pillows.Applied]; n != int(changes) {
				t.Errorf("%d were observed of %s, want %d", n, sink.Name(), changes)
			}
		}
		if took := last.Sub(began); took > pillows.DefaultMinBackoff/2 {
			t.Errorf("it took %s of waiting", took)
		}
		if len(w.log.lines("waits")) > 0 {
			t.Error("it says that it waits")
		}
		if store.held > 2*docstore.MaxBytes {
			t.Errorf("%d MiB of documents were in memory at one time", store.held>>20)
		}
		// The first read asks for all of them, the others for about what fits.
		if store.left > 60+20 {
			t.Errorf("%d documents were left by %d reads", store.left, store.calls)
		}
		t.Logf("%d reads, %d documents left, %d MiB at most in memory", store.calls, store.left, store.held>>20)
	})
}

func TestWhatFailsAmongLargeDocumentsIsTriedOnceForEachTry(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		store := new(large)
		sink, other := pillowtest.NewRecorder("report"), pillowtest.NewRecorder("other")
		var tries []time.Time
		sink.Refuse = func(item pillows.Item) error {
			if item.Change.Meta.DocumentID != "large-3" {
				return nil
			}
			if tries = append(tries, time.Now()); len(tries) > 3 {
				return nil
			}
			return errors.New("value does not convert")
		}
		changes := w.publishLarge(30)
		w.startLarge(store, sink, other)
		total := w.untilCommitted(changes)
		if total.Applied != 2*changes || total.Total() != total.Applied {
			t.Errorf("%+v, want %d applied", total, 2*changes)
		}
		if n := len(sink.Deliveries()); n != int(changes)+3 {
			t.Errorf("%d items were given, want %d and 3 repeats", n, changes)
		}
		if n := len(other.Deliveries()); n != int(changes) {
			t.Errorf("the other was given %d items, want %d", n, changes)
		}
		for i := 1; i < len(tries); i++ {
			if wait := tries[i].Sub(tries[i-1]); wait < pillows.DefaultMinBackoff/2 {
				t.Errorf("the bad document was given again after %s", wait)
			}
		}
	})
}

func TestASinkThatIsDownHoldsNoMoreLargeDocumentsThanFit(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		store := new(large)
		first, down := pillowtest.NewRecorder("first"), pillowtest.NewRecorder("down")
		var tries []time.Time
		down.Before = func(context.Context, *pillows.Batch) error {
			if tries = append(tries, time.Now()); len(tries) <= 4 {
				return errors.New("sink is down")
			}
			return nil
		}
		changes := w.publishLarge(60)
		w.startLarge(store, first, down)
		w.untilCommitted(changes)
		for i := 1; i <= 4; i++ {
			if wait := tries[i].Sub(tries[i-1]); wait < pillows.DefaultMinBackoff/2 {
				t.Errorf("it was tried again after %s", wait)
			}
		}
		if store.held > 2*docstore.MaxBytes {
			t.Errorf("%d MiB of documents were in memory at one time", store.held>>20)
		}
		for _, sink := range []*pillowtest.Recorder{first, down} {
			if times := perChange(sink.Deliveries()); len(times) != int(changes) || len(sink.Deliveries()) != int(changes) {
				t.Errorf("%s was given %d changes in %d items, want %d", sink.Name(), len(times), len(sink.Deliveries()), changes)
			}
		}
	})
}

func TestAStoreThatReadsNothingIsWaitedFor(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		deps := w.deps()
		idle := &counted{Store: &results{Result: docstore.Result{Err: fmt.Errorf("document: %w", docstore.ErrNotRead)}}}
		if err := deps.Stores.Register("idle", idle); err != nil {
			t.Fatal(err)
		}
		stub := w.stub("a", false)
		stub.Meta.DataSourceName = "idle"
		w.publish(stub)
		w.save("b")
		sink := pillowtest.NewRecorder("report")
		w.startWith(config(), deps, sink)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(sink.Deliveries()); n != 1 {
			t.Errorf("%d changes were given, want the other one", n)
		}
		if _, p := w.committed(); !strings.Contains(p.Reason, "left all of 1 documents") {
			t.Errorf("progress %+v", p)
		}
		if idle.calls > 20 {
			t.Errorf("%d reads in a minute: it does not pause", idle.calls)
		}
	})
}

// One source has more documents than fit while another is down.
func TestAStoreThatIsDownIsAskedOnceForEachTry(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		deps := w.deps()
		deps.Stores = new(docstore.Registry)
		down := &counted{Store: &results{err: errors.New("connection refused")}}
		store := new(large)
		if err := errors.Join(deps.Stores.Register(source, store), deps.Stores.Register("second", down)); err != nil {
			t.Fatal(err)
		}
		changes := w.publishLarge(60)
		sink := &light{pillowtest.NewRecorder("report"), store}
		w.startWith(config(), deps, sink)
		time.Sleep(pillows.DefaultMinBackoff / 4)
		synctest.Wait()
		if n := len(sink.Deliveries()); n != int(changes)-6 {
			t.Errorf("%d changes were given, want all but 6", n)
		}
		if down.calls != 1 {
			t.Errorf("the store that is down was asked %d times in the first try", down.calls)
		}
	})
}

// counted counts reads.
type counted struct {
	docstore.Store
	calls int
}

func (s *counted) GetMany(ctx context.Context, at docstore.Horizon, ids []string) ([]docstore.Result, error) {
	s.calls++
	return s.Store.GetMany(ctx, at, ids)
}
