package pillows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestADeletionNeedsNoDocument(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save("a")
		w.start(config(), sink)
		w.untilCommitted(1)
		w.publish(w.stub("a", true))
		w.untilCommitted(2)
		if _, ok := sink.Read("a"); ok {
			t.Error("the document is still in the sink")
		}
	})
}

// The row of a committed change is gone from a snapshot that holds the change:
// it was deleted since, and the deletion is on its way.
func TestAMissingDocumentOfAChangeWithPositionIsSuperseded(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.publish(w.stub("gone", false))
		w.save("a")
		w.publish(w.stub("gone", true))
		r := w.start(config(), sink, pillowtest.NewRecorder("other"))
		total := w.untilCommitted(3)
		if got, want := total.Counts, (pillows.Counts{Applied: 4, Superseded: 2}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if diff := cmp.Diff(map[pillows.Verdict]int{pillows.Applied: 2, pillows.Superseded: 1}, r.seen.of("other")); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

func TestAMissingDocumentOfAChangeWithoutPositionIsLookedForAMinute(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		foreign := func(id string) changefeed.Change {
			c := w.stub(id, false)
			c.Position, c.XID, c.Version = changefeed.Position{}, 0, changefeed.ClockVersion(c.Meta.PublishTimestamp)
			return c
		}
		sink := pillowtest.NewRecorder("report")
		w.start(config(), sink)

		w.publish(foreign("late"))
		time.Sleep(20 * time.Second)
		if n := len(sink.Deliveries()); n != 0 {
			t.Fatalf("%d changes were given before the document was there", n)
		}
		w.store.Put(docstore.Document{ID: "late", Body: []byte(`{}`)})
		if got, want := w.untilCommitted(1).Counts, (pillows.Counts{Applied: 1}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}

		began := time.Now()
		w.publish(foreign("never"))
		if got, want := w.untilCommitted(2).Counts, (pillows.Counts{Applied: 1, Superseded: 1}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it was given up after %s", took)
		}
		if n := len(w.log.lines("not found long after", "document_id=never")); n != 1 {
			t.Errorf("%d warnings, want 1", n)
		}
		if _, ok := sink.Read("never"); ok {
			t.Error("the sink has a document that never was")
		}
	})
}

func TestADocumentThatTheStoreKnowsAsDeletedIsDeletedUnderTheVersionOfTheChange(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		r := w.start(config(), sink)
		w.save("a")
		w.untilCommitted(1)
		change := w.stub("a", false)
		w.store.Delete("a")
		w.publish(change)
		w.untilCommitted(2)
		if _, ok := sink.Read("a"); ok {
			t.Error("the document is still in the sink")
		}
		last := sink.Deliveries()[1].Change
		if !last.Meta.IsDeletion || last.Version != change.Version {
			t.Errorf("given deletion %v, version %d, want a deletion with version %d", last.Meta.IsDeletion, last.Version, change.Version)
		}
		w.save("a")
		w.untilCommitted(3)
		if _, ok := sink.Read("a"); !ok {
			t.Error("the document was saved again and is not in the sink")
		}
		if n := r.seen.of("report")[pillows.Applied]; n != 3 {
			t.Errorf("%d applied, want 3", n)
		}
	})
}

func TestAChangeWaitsUntilItsTransactionIsVisible(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.store.VisibilityWait = 100 * time.Millisecond
		sink := pillowtest.NewRecorder("report")
		w.start(config(), sink)
		w.store.Put(docstore.Document{ID: "a", Body: []byte(`"old"`)})
		change := w.stub("a", false)
		tx := w.store.Begin(source, change.XID)
		tx.Put(docstore.Document{ID: "a", Body: []byte(`"new"`)})
		w.publish(change)

		time.Sleep(500 * time.Millisecond)
		if lines := w.log.lines("waits"); len(lines) > 0 {
			t.Errorf("it complained within half a second: %s", lines[0])
		}
		time.Sleep(30 * time.Second)
		if n := len(sink.Deliveries()); n != 0 {
			t.Fatal("the old document was given")
		}
		if n := len(w.log.lines(`msg="partition waits"`, "not visible")); n != 1 {
			t.Errorf("it said %d times that it waits, want once", n)
		}
		tx.Commit()
		w.untilCommitted(1)
		if body, _ := sink.Read("a"); string(body) != `"new"` {
			t.Errorf("the sink has %s", body)
		}
	})
}

// results is a store that gives the same answer for every id.
type results struct {
	docstore.Result
	err error
}

func (s *results) GetMany(_ context.Context, _ docstore.Horizon, ids []string) ([]docstore.Result, error) {
	answer := make([]docstore.Result, len(ids))
	for i := range answer {
		answer[i] = s.Result
	}
	return answer, s.err
}

func TestWhatCannotBeReadWaitsWithItsReasonAndTheRestIsDone(t *testing.T) {
	for name, test := range map[string]struct {
		store  docstore.Store // nil: none is registered
		reason string
	}{
		"a document that cannot be converted": {&results{Result: docstore.Result{Err: fmt.Errorf("column total: %w", docstore.ErrConvert)}}, "column total: document cannot be converted"},
		"a store that is down":                {&results{err: errors.New("connection refused")}, "read documents: connection refused"},
		"a store that loses answers":          {&short{}, "gave 0 results for 1 ids"},
		"an unknown data source":              {nil, `no document store for data source "other"`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				deps := w.deps()
				if test.store != nil {
					if err := deps.Stores.Register("other", test.store); err != nil {
						t.Fatal(err)
					}
				}
				sink := pillowtest.NewRecorder("report")
				w.save("a")
				bad := w.stub("x", false)
				bad.Meta.DataSourceName = "other"
				w.publish(bad)
				w.save("b")
				w.startWith(config(), deps, sink)
				time.Sleep(time.Minute)
				if n := len(sink.Deliveries()); n != 2 {
					t.Errorf("%d changes were given, want the two good ones", n)
				}
				offsets, p := w.committed()
				if offsets != 1 || p.State != pillows.Waiting || !strings.Contains(p.Reason, test.reason) {
					t.Errorf("committed %d, %+v", offsets, p)
				}
				if n := len(w.log.lines(`msg="partition waits"`, "offset=1", "document_id=x")); n != 1 {
					t.Errorf("it said %d times that it waits, want once", n)
				}
			})
		})
	}
}

type short struct{}

func (*short) GetMany(context.Context, docstore.Horizon, []string) ([]docstore.Result, error) {
	return nil, nil
}

func TestOneReadForEachStoreWithTheHorizonOfItsSaves(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		store := &asked{}
		deps := w.deps()
		deps.Stores = new(docstore.Registry)
		for _, name := range []string{source, "second"} {
			if err := deps.Stores.Register(name, store); err != nil {
				t.Fatal(err)
			}
		}
		sink, g := pillowtest.NewRecorder("report"), newGate()
		sink.Before = g.pass
		first := w.stub("first", false)
		w.publish(first)
		w.startWith(config(), deps, sink)
		time.Sleep(time.Second)
		a, b, gone, a2, other := w.stub("a", false), w.stub("b", false), w.stub("gone", true), w.stub("a", false), w.stub("a", false)
		other.Meta.DataSourceName, other.Position.Source = "second", "second"
		w.publish(a, b, gone, a2, other)
		time.Sleep(time.Second)
		g.open()
		w.untilCommitted(6)

		want := []request{
			{IDs: []string{"first"}, XIDs: []uint64{first.XID}, LSN: first.Position.LSN},
			{IDs: []string{"a", "b"}, XIDs: []uint64{b.XID, a2.XID}, LSN: a2.Position.LSN},
			{IDs: []string{"a"}, XIDs: []uint64{other.XID}, LSN: other.Position.LSN},
		}
		if diff := cmp.Diff(want, store.requests); diff != "" {
			t.Errorf("reads (-want +got):\n%s", diff)
		}
	})
}

type request struct {
	IDs  []string
	XIDs []uint64
	LSN  uint64
}

// asked is a store that has every document and notes what it is asked for.
type asked struct{ requests []request }

func (s *asked) GetMany(_ context.Context, at docstore.Horizon, ids []string) ([]docstore.Result, error) {
	r := request{IDs: ids}
	for _, marks := range at {
		r.XIDs, r.LSN = marks.XIDs, marks.LSN
	}
	s.requests = append(s.requests, r)
	answer := make([]docstore.Result, len(ids))
	for i, id := range ids {
		answer[i].Document = docstore.Document{ID: id, Body: []byte(`{}`)}
	}
	return answer, nil
}
