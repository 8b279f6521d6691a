package docstoretest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"changefeed/docstore"
)

// answer is what GetMany returned.
type answer struct {
	results []docstore.Result
	err     error
}

// start begins a read that will have to wait and returns when it waits.
func start(ctx context.Context, t *testing.T, f Fixture, at docstore.Horizon, ids ...string) <-chan answer {
	t.Helper()
	answers := make(chan answer, 1)
	go func() {
		results, err := f.Store.GetMany(ctx, at, ids)
		answers <- answer{results, err}
	}()
	select {
	case <-f.Waits:
	case a := <-answers:
		t.Fatalf("GetMany(%q) did not wait for %v: %+v", ids, at, a)
	}
	return answers
}

func testNoHorizon(t *testing.T, f Fixture) {
	f.Save(t, "a", "old")
	f.Begin(t, "a", "new")
	wantState(t, read(t, f.Store, nil, "a")[0], "a", "old")
	wantState(t, read(t, f.Store, docstore.Horizon{}, "a")[0], "a", "old")
}

func testOtherSource(t *testing.T, f Fixture) {
	f.Save(t, "a", "1")
	at := docstore.Horizon{"a source that the store knows nothing of": {Epoch: 9, XIDs: []uint64{1 << 60}, LSN: 1 << 60}}
	wantState(t, read(t, f.Store, at, "a")[0], "a", "1")
}

func testWait(t *testing.T, f Fixture) {
	f.Save(t, "a", "old")
	f.Save(t, "b", "1")
	at, commit := f.Begin(t, "a", "new")
	answers := start(t.Context(), t, f, at, "a", "b")
	commit()
	a := <-answers
	if a.err != nil {
		t.Fatal(a.err)
	}
	wantState(t, a.results[0], "a", "new")
	wantState(t, a.results[1], "b", "1")
}

func testWaitForEach(t *testing.T, f Fixture) {
	f.Save(t, "a", "old")
	f.Save(t, "b", "old")
	first, commitFirst := f.Begin(t, "a", "new")
	second, commitSecond := f.Begin(t, "b", "new")
	answers := start(t.Context(), t, f, union(first, second), "a", "b")
	commitSecond()
	wantState(t, read(t, f.Store, second, "b")[0], "b", "new")
	commitFirst()
	a := <-answers
	if a.err != nil {
		t.Fatal(a.err)
	}
	wantState(t, a.results[0], "a", "new")
	wantState(t, a.results[1], "b", "new")
}

// testOneOpen commits one of two transactions, the older or the younger, and
// asks before it commits the other.
func testOneOpen(t *testing.T, f Fixture) {
	for _, open := range []string{"a", "b"} {
		f.Save(t, "a", "old")
		f.Save(t, "b", "old")
		first, commitOpen := f.Begin(t, "a", "new")
		second, commitOther := f.Begin(t, "b", "new")
		if open == "b" {
			commitOpen, commitOther = commitOther, commitOpen
		}
		commitOther()
		results, err := f.Store.GetMany(t.Context(), union(first, second), []string{"a", "b"})
		if !errors.Is(err, docstore.ErrNotVisible) {
			t.Errorf("GetMany while the transaction of %s is open: results %v and error %v, want ErrNotVisible", open, results, err)
		}
		commitOpen()
	}
}

func testNotVisible(t *testing.T, f Fixture) {
	f.Save(t, "a", "old")
	at, commit := f.Begin(t, "a", "new")
	results, err := f.Store.GetMany(t.Context(), at, []string{"a", "none"})
	if !errors.Is(err, docstore.ErrNotVisible) || results != nil {
		t.Fatalf("GetMany: results %v and error %v, want ErrNotVisible alone", results, err)
	}
	t.Log(err)
	commit()
	wantState(t, read(t, f.Store, at, "a")[0], "a", "new")
}

func testCancelledWait(t *testing.T, f Fixture) {
	f.Save(t, "a", "old")
	at, _ := f.Begin(t, "a", "new")
	ctx, cancel := context.WithCancel(t.Context())
	answers := start(ctx, t, f, at, "a")
	cancel()
	if a := <-answers; !errors.Is(a.err, context.Canceled) {
		t.Errorf("GetMany cancelled while it waits: %v, want context.Canceled", a.err)
	}
}

// testConcurrency reads a document while it is saved again and again: no read
// gives an earlier state than the last one that was committed when it began.
func testConcurrency(t *testing.T, f Fixture) {
	const (
		readers = 4
		saves   = 50
	)
	f.Save(t, "a", "0")
	var committed atomic.Int64
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			for committed.Load() < saves && !t.Failed() {
				least := committed.Load()
				results, err := f.Store.GetMany(t.Context(), nil, []string{"none", "a"})
				if err != nil {
					t.Errorf("GetMany: %v", err)
					return
				}
				text, err := stateOf(results[1])
				if err != nil {
					t.Error(err)
					return
				}
				state, err := strconv.ParseInt(text, 10, 64)
				if err != nil || state < least {
					t.Errorf("state %q after state %d was committed", text, least)
				}
			}
		})
	}
	for i := range int64(saves) {
		f.Save(t, "a", strconv.FormatInt(i+1, 10))
		committed.Store(i + 1)
	}
	group.Wait()
}

// union returns a horizon that has all marks of both, which are of the same
// epochs.
func union(a, b docstore.Horizon) docstore.Horizon {
	all := make(docstore.Horizon)
	for _, h := range []docstore.Horizon{a, b} {
		for source, marks := range h {
			m := all[source]
			if m == nil {
				m = &docstore.Marks{Epoch: marks.Epoch}
				all[source] = m
			}
			m.LSN = max(m.LSN, marks.LSN)
			m.XIDs = append(m.XIDs, marks.XIDs...)
			slices.Sort(m.XIDs)
			m.XIDs = slices.Compact(m.XIDs)
		}
	}
	return all
}
