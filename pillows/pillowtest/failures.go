package pillowtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/pillows"
)

func testBad(t *testing.T, s *subject) {
	failed := s.failures(t, s.save(1, 10, "one"), s.bad(t, 2, 10), s.save(3, 10, "three"), s.bad(t, 4, 10), s.delete(5, 10))
	if diff := cmp.Diff([]int{1, 3}, failed); diff != "" {
		t.Errorf("failed items (-want +got):\n%s", diff)
	}
	s.has(t, 1, "one")
	s.has(t, 2)
	s.has(t, 3, "three")
	s.has(t, 4)
}

func testBadAgain(t *testing.T, s *subject) {
	for range 3 {
		if diff := cmp.Diff([]int{0}, s.failures(t, s.bad(t, 1, 10))); diff != "" {
			t.Errorf("failed items (-want +got):\n%s", diff)
		}
	}
}

// A failure must leave no trace that would make the sink refuse the document
// later, at the same version or a newer one.
func testBadMended(t *testing.T, s *subject) {
	s.process(t, s.save(1, 9, "before"))
	s.failures(t, s.bad(t, 1, 10), s.bad(t, 2, 10))
	s.has(t, 1, "before")
	s.expect(t, pillows.Applied, s.save(1, 10, "mended"), s.save(2, 11, "new"))
	s.has(t, 1, "mended")
	s.has(t, 2, "new")
}

func testCancelled(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Processor.Process(ctx, pillows.NewBatch([]pillows.Item{s.save(1, 10, "one"), s.delete(2, 10)}))
	var batch *pillows.BatchError
	if err == nil || errors.As(err, &batch) {
		t.Errorf("Process with an ended context: %v, want an error that concerns the whole batch", err)
	}
	s.process(t, s.save(1, 10, "one"), s.delete(2, 10))
	s.has(t, 1, "one")
	s.has(t, 2)
}

const (
	callers = 8
	calls   = 10
)

// Partitions are worked on at the same time: their documents are different ones.
func testDisjoint(t *testing.T, s *subject) {
	const each = 20
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for call := range calls {
				items := make([]pillows.Item, each)
				for k := range items {
					items[k] = s.save(caller*each+k, int64(10+call), fmt.Sprint("call ", call))
				}
				if err := s.Processor.Process(t.Context(), pillows.NewBatch(items)); err != nil {
					t.Errorf("caller %d, call %d: %v", caller, call, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range callers * each {
		s.has(t, n, fmt.Sprint("call ", calls-1))
	}
}

// A member that has lost a partition without knowing it works on the same
// documents as the new owner: the order of their writes must not matter, and
// neither may fail.
func testContended(t *testing.T, s *subject) {
	const documents = 30
	var wg sync.WaitGroup
	for caller := range callers {
		order := rand.Perm(documents)
		wg.Go(func() {
			for call := range calls {
				items := make([]pillows.Item, 0, documents)
				for _, n := range order {
					version := int64(1 + call*callers + caller)
					items = append(items, s.save(n, version, fmt.Sprint("version ", version)))
				}
				if err := s.Processor.Process(t.Context(), pillows.NewBatch(items)); err != nil {
					t.Errorf("caller %d, call %d: %v", caller, call, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range documents {
		s.has(t, n, fmt.Sprint("version ", callers*calls))
	}
}
