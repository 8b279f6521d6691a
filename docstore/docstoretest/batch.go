package docstoretest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"changefeed/docstore"
)

func testOrder(t *testing.T, f Fixture) {
	for _, id := range []string{"a", "b", "c", "d"} {
		f.Save(t, id, "state of "+id)
	}
	for _, ids := range [][]string{{"a", "b", "c", "d"}, {"d", "b", "a", "c"}, {"c"}} {
		for i, r := range read(t, f.Store, nil, ids...) {
			wantState(t, r, ids[i], "state of "+ids[i])
		}
	}
}

func testDuplicates(t *testing.T, f Fixture) {
	f.Save(t, "a", "1")
	f.Save(t, "b", "2")
	results := read(t, f.Store, nil, "a", "b", "a", "none", "none", "b")
	for i, want := range map[int]string{0: "1", 2: "1"} {
		wantState(t, results[i], "a", want)
	}
	for i, want := range map[int]string{1: "2", 5: "2"} {
		wantState(t, results[i], "b", want)
	}
	for _, i := range []int{3, 4} {
		if !errors.Is(results[i].Err, docstore.ErrNotFound) {
			t.Errorf("result %d: %v, want ErrNotFound", i, results[i].Err)
		}
	}
}

func testMissing(t *testing.T, f Fixture) {
	f.Save(t, "a", "1")
	f.Save(t, "b", "2")
	results := read(t, f.Store, nil, "a", "none", "b")
	wantState(t, results[0], "a", "1")
	wantState(t, results[2], "b", "2")
	if err := results[1].Err; !errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrDeleted) {
		t.Errorf("missing document: %v, want ErrNotFound", err)
	}
}

func testDeleted(t *testing.T, f Fixture) {
	f.Save(t, "a", "1")
	f.Save(t, "b", "2")
	f.Delete(t, "a")
	results := read(t, f.Store, nil, "a", "b")
	wantState(t, results[1], "b", "2")
	if err := results[0].Err; !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrDeleted) {
		t.Errorf("deleted document: %v, want ErrNotFound or ErrDeleted", err)
	}
	f.Save(t, "a", "3")
	wantState(t, read(t, f.Store, nil, "a")[0], "a", "3")
}

func testEmptyBatch(t *testing.T, f Fixture) {
	read(t, f.Store, nil)
}

func testLimit(t *testing.T, f Fixture) {
	ids := make([]string, docstore.MaxBatch+1)
	for i := range ids {
		ids[i] = fmt.Sprint("id", i)
	}
	last := ids[docstore.MaxBatch-1]
	f.Save(t, last, "1")
	wantState(t, read(t, f.Store, nil, ids[:docstore.MaxBatch]...)[docstore.MaxBatch-1], last, "1")
	if results, err := f.Store.GetMany(t.Context(), nil, ids); err == nil || results != nil {
		t.Errorf("GetMany of %d ids: %d results and error %v, want an error alone", len(ids), len(results), err)
	}
}

func testUnusualIDs(t *testing.T, f Fixture) {
	ids := []string{
		"Zoë", "Zoe\u0308", "日本語", "🎈", "ﬁ", "A", "a", " a", "a ",
		"a/b", "a%2Fb", "a%b", `a\b`, `a"b`, "a'b", "a,b", "{a,b}", "NULL", "null", "1", "01", "1.0", "\t", "-",
	}
	for i, id := range ids {
		f.Save(t, id, fmt.Sprint(i))
	}
	for i, r := range read(t, f.Store, nil, ids...) {
		wantState(t, r, ids[i], fmt.Sprint(i))
	}
}

func testBadID(t *testing.T, f Fixture) {
	if f.BadID == "" {
		t.Skip("the store takes any id")
	}
	f.Save(t, "a", "1")
	f.Save(t, "b", "2")
	results := read(t, f.Store, nil, "a", f.BadID, "none", "b", f.BadID)
	wantState(t, results[0], "a", "1")
	wantState(t, results[3], "b", "2")
	for i, want := range map[int]error{1: docstore.ErrConvert, 2: docstore.ErrNotFound, 4: docstore.ErrConvert} {
		if !errors.Is(results[i].Err, want) {
			t.Errorf("result %d: %v, want %v", i, results[i].Err, want)
		}
	}
}

func testCancelled(t *testing.T, f Fixture) {
	f.Save(t, "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Store.GetMany(ctx, nil, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("GetMany with a cancelled context: %v, want context.Canceled", err)
	}
	wantState(t, read(t, f.Store, nil, "a")[0], "a", "1")
}
