package pillowtest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/docstore"
	"changefeed/pillows"
)

func testName(t *testing.T, s *subject) {
	name := s.Processor.Name()
	s.process(t, s.save(1, 10, "first"))
	if again := s.Processor.Name(); name == "" || again != name {
		t.Errorf("Name() = %q, then %q", name, again)
	}
}

func testEmpty(t *testing.T, s *subject) {
	s.process(t)
}

func testSave(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 10, "first"))
	s.has(t, 1, "first")
}

func testReplace(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 10, "first"), s.save(1, 11, "second"))
	s.has(t, 1, "second")
}

func testDelete(t *testing.T, s *subject) {
	s.process(t, s.save(1, 10, "first"), s.save(2, 10, "other"))
	s.expect(t, pillows.Applied, s.delete(1, 11))
	s.has(t, 1)
	s.has(t, 2, "other")
}

// A deletion that finds nothing to delete may be applied or superseded: what
// counts is that it is no error.
func testDeleteUnknown(t *testing.T, s *subject) {
	s.process(t, s.delete(1, 10))
	s.has(t, 1)
}

func testSaveAfterDelete(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 10, "first"), s.delete(1, 11), s.save(1, 12, "again"))
	s.has(t, 1, "again")
}

func testMany(t *testing.T, s *subject) {
	items := make([]pillows.Item, docstore.MaxBatch)
	for n := range items {
		items[n] = s.save(n, int64(10+n), fmt.Sprint("value ", n))
	}
	for i, v := range s.process(t, items...) {
		if v != pillows.Applied {
			t.Fatalf("item %d: %s, want applied", i, v)
		}
	}
	for n := range items {
		s.has(t, n, fmt.Sprint("value ", n))
	}
}

func testUnchanged(t *testing.T, s *subject) {
	fresh := func() []pillows.Item {
		return []pillows.Item{s.save(1, 10, "first"), s.delete(2, 10), s.save(3, 10, "third")}
	}
	items := fresh()
	s.process(t, items...)
	if diff := cmp.Diff(fresh(), items); diff != "" {
		t.Errorf("the processor changed what it shares with others (-given +found):\n%s", diff)
	}
}

func testOlderSave(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 20, "new"))
	s.expect(t, pillows.Superseded, s.save(1, 19, "old"))
	s.has(t, 1, "new")
}

func testOlderDeletion(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 20, "new"))
	s.expect(t, pillows.Superseded, s.delete(1, 19))
	s.has(t, 1, "new")
}

func testSaveBeforeDelete(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 10, "first"), s.delete(1, 20))
	s.expect(t, pillows.Superseded, s.save(1, 19, "late"), s.save(1, 10, "first"))
	s.has(t, 1)
}

func testSaveBeforeUnknownDelete(t *testing.T, s *subject) {
	s.process(t, s.delete(1, 20))
	s.expect(t, pillows.Superseded, s.save(1, 19, "late"))
	s.has(t, 1)
}

func testRepeat(t *testing.T, s *subject) {
	s.process(t, s.save(1, 9, "old"), s.save(2, 9, "old"))
	items := []pillows.Item{s.save(1, 10, "first"), s.delete(2, 10), s.save(3, 10, "third")}
	s.process(t, items...)
	if v := s.process(t, items...)[1]; v != pillows.Superseded {
		t.Errorf("the deletion the second time: %s, want superseded", v)
	}
	s.has(t, 1, "first")
	s.has(t, 2)
	s.has(t, 3, "third")
}

func testMixed(t *testing.T, s *subject) {
	s.process(t, s.save(1, 20, "one"), s.save(2, 20, "two"), s.save(3, 20, "three"), s.delete(4, 20))
	got := s.process(t, s.save(1, 21, "newer"), s.save(2, 19, "older"), s.delete(3, 21), s.save(4, 19, "late"), s.save(5, 1, "five"))
	want := []pillows.Verdict{pillows.Applied, pillows.Superseded, pillows.Applied, pillows.Superseded, pillows.Applied}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	s.has(t, 1, "newer")
	s.has(t, 2, "two")
	s.has(t, 3)
	s.has(t, 4)
	s.has(t, 5, "five")
}
