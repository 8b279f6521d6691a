package pillowtest

import (
	"sync"
	"testing"

	"changefeed/pillows"
)

// The tests of this file are about changes of one document that have the same
// version because one transaction made them.

// elsewhere returns an item as a change of another data source.
func elsewhere(item pillows.Item) pillows.Item {
	item.Change.Meta.DataSourceName = "elsewhere"
	return item
}

// A save that comes again may be written again: that is harmless.
func testDeletionAtEqualVersion(t *testing.T, s *subject) {
	s.expect(t, pillows.Applied, s.save(1, 20, "first"))
	for range 2 {
		s.expect(t, pillows.Superseded, s.delete(1, 20))
		s.has(t, 1, "first")
		s.process(t, s.save(1, 20, "first"))
		s.has(t, 1, "first")
	}
}

// Deletions come late, again, and before anything else of the document.
func testSaveAtEqualVersion(t *testing.T, s *subject) {
	s.process(t, s.save(1, 10, "old"))
	s.expect(t, pillows.Applied, s.delete(1, 20), s.save(1, 20, "again"))
	s.has(t, 1, "again")
	s.process(t, s.delete(2, 20))
	s.expect(t, pillows.Applied, s.save(2, 20, "again"))
	s.has(t, 2, "again")
	s.expect(t, pillows.Superseded, s.delete(1, 20), s.delete(2, 20))
	s.process(t, s.save(1, 20, "again"), s.save(2, 20, "again"))
	s.has(t, 1, "again")
	s.has(t, 2, "again")
}

// A row that moves from one data source to another is deleted in the one and
// saved in the other, by one transaction.
func testEqualVersionsInOneBatch(t *testing.T, s *subject) {
	s.process(t, s.save(1, 10, "old"), s.save(2, 10, "old"))
	for range 2 {
		s.process(t,
			s.delete(1, 20), elsewhere(s.save(1, 20, "moved")), elsewhere(s.save(2, 20, "moved")), s.delete(2, 20), // of documents it has
			s.delete(3, 20), elsewhere(s.save(3, 20, "moved")), elsewhere(s.save(4, 20, "moved")), s.delete(4, 20)) // of others
		for n := 1; n <= 4; n++ {
			s.has(t, n, "moved")
		}
	}
}

// A member that has lost a partition without knowing it is ahead of the new
// owner, or behind it.
func testContendedEqualVersions(t *testing.T, s *subject) {
	const documents = 30
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for call := range calls {
				items := make([]pillows.Item, documents)
				for n := range items {
					if (caller+call+n)%2 == 0 {
						items[n] = s.delete(n, 20)
					} else {
						items[n] = s.save(n, 20, "saved")
					}
				}
				if err := s.Processor.Process(t.Context(), pillows.NewBatch(items)); err != nil {
					t.Errorf("caller %d, call %d: %v", caller, call, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range documents {
		s.has(t, n, "saved")
	}
}
