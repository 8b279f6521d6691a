package pillowtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
)

// Subject is a processor under test and what the suite has to know of it.
type Subject struct {
	Processor pillows.Processor
	// Read returns what the sink has of a document: the value that its body was
	// made with, and whether it is there at all. Nil where the sink cannot be read
	// back, as a cache from which the processor only deletes.
	Read func(ctx context.Context, id string) (value string, present bool, err error)
	// Body returns the body of a document that the processor takes.
	Body func(id, value string) json.RawMessage
	// BadBody returns the body of a document that the processor must refuse, and
	// alone. Nil where it takes everything.
	BadBody func(id string) json.RawMessage
	// ID returns the n-th document id. Default: doc-0001 and so on.
	ID func(n int) string
	// Complete, where set, adds to an item what the processor looks at besides
	// the body: a type, a domain.
	Complete func(item *pillows.Item)
	// Unversioned says that the sink keeps no versions, because doing a change
	// twice or late does no harm there.
	Unversioned bool
}

// Run tests that a processor keeps the contract of [pillows.Processor]. Each test
// calls open for a processor with an empty sink of its own, which the tests may
// use from many goroutines; open registers what has to be cleaned up.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for _, test := range []struct {
		name      string
		versioned bool // needs a sink with versions
		readable  bool // needs a sink that can be read
		run       func(t *testing.T, s *subject)
	}{
		{"has a name that stays", false, false, testName},
		{"does nothing for an empty batch", false, false, testEmpty},
		{"applies a saved document", false, false, testSave},
		{"replaces a document by a newer version", false, true, testReplace},
		{"deletes a document", false, true, testDelete},
		{"takes the deletion of a document it never had", false, false, testDeleteUnknown},
		{"applies a document saved again after its deletion", false, true, testSaveAfterDelete},
		{"works on many documents at once", false, true, testMany},
		{"leaves the items of a batch as they are", false, false, testUnchanged},
		{"supersedes an older save", true, true, testOlderSave},
		{"supersedes a deletion at the version of a save", true, true, testDeletionAtEqualVersion},
		{"applies a save at the version of a deletion", true, true, testSaveAtEqualVersion},
		{"keeps a document that a batch deletes and saves at one version", true, true, testEqualVersionsInOneBatch},
		{"supersedes an older deletion", true, true, testOlderDeletion},
		{"supersedes an older save after a deletion", true, true, testSaveBeforeDelete},
		{"supersedes an older save after the deletion of a document it never had", true, true, testSaveBeforeUnknownDelete},
		{"takes a batch that it is given again, without harm", true, true, testRepeat},
		{"settles each item of a mixed batch by itself", true, true, testMixed},
		{"names a bad document and applies the others", false, false, testBad},
		{"names a bad document every time", false, false, testBadAgain},
		{"takes a bad document once it is good", false, true, testBadMended},
		{"returns an error when its context has ended, and works afterwards", false, false, testCancelled},
		{"works on disjoint batches at the same time", false, true, testDisjoint},
		{"keeps the newest of versions that come at the same time", true, true, testContended},
		{"keeps documents that are deleted and saved at one version at the same time", true, true, testContendedEqualVersions},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &subject{Subject: open(t)}
			switch {
			case test.versioned && s.Unversioned:
				t.Skip("the sink keeps no versions")
			case test.readable && s.Read == nil:
				t.Skip("the sink cannot be read back")
			}
			test.run(t, s)
		})
	}
}

// subject adds to a Subject what the tests share.
type subject struct {
	Subject
}

func (s *subject) id(n int) string {
	if s.ID != nil {
		return s.ID(n)
	}
	return fmt.Sprintf("doc-%04d", n)
}

// epoch is when the documents of the suite were saved.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (s *subject) item(n int, version int64, deletion bool, body json.RawMessage) pillows.Item {
	id := s.id(n)
	item := pillows.Item{Change: changefeed.Change{
		Topic: "conformance",
		Meta: changefeed.Meta{
			DocumentID:       id,
			DataSourceType:   changefeed.SourceTypeSQL,
			DataSourceName:   "conformance",
			IsDeletion:       deletion,
			PublishTimestamp: epoch.Add(time.Duration(version) * time.Microsecond),
		},
		Position: changefeed.Position{Source: "conformance", Epoch: 1, LSN: uint64(version), Ordinal: uint64(n)},
		Version:  changefeed.Version(version),
	}}
	item.Change.Meta.OriginalPublication = item.Change.Meta.PublishTimestamp
	if !deletion {
		item.Document = docstore.Document{ID: id, Body: body}
	}
	if s.Complete != nil {
		s.Complete(&item)
	}
	return item
}

func (s *subject) save(n int, version int64, value string) pillows.Item {
	return s.item(n, version, false, s.Body(s.id(n), value))
}

func (s *subject) bad(t *testing.T, n int, version int64) pillows.Item {
	t.Helper()
	if s.BadBody == nil {
		t.Skip("the processor takes every document")
	}
	return s.item(n, version, false, s.BadBody(s.id(n)))
}

func (s *subject) delete(n int, version int64) pillows.Item {
	return s.item(n, version, true, nil)
}

// process gives the processor a batch, which it must take, and returns the
// verdicts.
func (s *subject) process(t *testing.T, items ...pillows.Item) []pillows.Verdict {
	t.Helper()
	b := pillows.NewBatch(items)
	if err := s.Processor.Process(t.Context(), b); err != nil {
		t.Fatalf("Process: %v", err)
	}
	return settled(b)
}

// settled returns the verdicts of a batch that went through.
func settled(b *pillows.Batch) []pillows.Verdict {
	verdicts := make([]pillows.Verdict, len(b.Items))
	for i := range verdicts {
		if verdicts[i] = b.Verdict(i); verdicts[i] == pillows.Open {
			verdicts[i] = pillows.Applied
		}
	}
	return verdicts
}

// expect gives the processor items one call at a time and compares the verdicts.
func (s *subject) expect(t *testing.T, want pillows.Verdict, items ...pillows.Item) {
	t.Helper()
	for _, item := range items {
		if got := s.process(t, item)[0]; got != want {
			t.Errorf("version %d of %s: %s, want %s", item.Change.Version, item.Change.Meta.DocumentID, got, want)
		}
	}
}

// has compares what the sink has of a document. Without a value it must not be
// there.
func (s *subject) has(t *testing.T, n int, values ...string) {
	t.Helper()
	if s.Read == nil {
		return
	}
	value, present, err := s.Read(t.Context(), s.id(n))
	switch {
	case err != nil:
		t.Fatalf("read %s: %v", s.id(n), err)
	case len(values) == 0 && present:
		t.Errorf("the sink has %s = %q, want it gone", s.id(n), value)
	case len(values) > 0 && !present:
		t.Errorf("the sink does not have %s, want %q", s.id(n), values[0])
	case len(values) > 0 && value != values[0]:
		t.Errorf("the sink has %s = %q, want %q", s.id(n), value, values[0])
	}
}

// failures gives the processor a batch and returns the indexes of the items that
// it names as failed.
func (s *subject) failures(t *testing.T, items ...pillows.Item) []int {
	t.Helper()
	err := s.Processor.Process(t.Context(), pillows.NewBatch(items))
	var batch *pillows.BatchError
	if !errors.As(err, &batch) {
		t.Fatalf("Process with a bad document: %v, want a *BatchError", err)
	}
	var failed []int
	for _, f := range batch.Failed {
		if f.Err == nil {
			t.Errorf("item %d failed without a reason", f.Index)
		}
		failed = append(failed, f.Index)
	}
	return failed
}
