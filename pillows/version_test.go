package pillows_test

import (
	"testing"
	"time"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

// pieces are changes of one document by one transaction, in the order of its
// pieces.
func (w *world) pieces(id string, deletions ...bool) []changefeed.Change {
	changes := make([]changefeed.Change, len(deletions))
	for i, deletion := range deletions {
		if i == 0 {
			changes[i] = w.stub(id, deletion)
			continue
		}
		changes[i] = changes[0]
		changes[i].Position.Ordinal = uint64(i)
		changes[i].Meta.IsDeletion = deletion
	}
	return changes
}

const (
	isSave     = false
	isDeletion = true
)

// Whether the changes of one transaction come in one chunk or in several, and
// whether they come once or twice, the sink ends as the transaction did.
func TestChangesOfOneVersionEndAsTheirTransactionDid(t *testing.T) {
	for name, test := range map[string]struct {
		deletions []bool
		exists    bool // after the transaction
	}{
		"deleted and saved again":          {[]bool{isDeletion, isSave}, true},
		"saved and deleted":                {[]bool{isSave, isDeletion}, false},
		"saved, deleted, saved":            {[]bool{isSave, isDeletion, isSave}, true},
		"deleted, saved, deleted":          {[]bool{isDeletion, isSave, isDeletion}, false},
		"saved in two pieces":              {[]bool{isSave, isSave}, true},
		"published again after a crash":    {[]bool{isDeletion, isSave, isDeletion, isSave}, true},
		"published again, deleted at last": {[]bool{isSave, isDeletion, isSave, isDeletion}, false},
	} {
		for _, chunkSize := range []int{1, 2, 500} {
			for _, known := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					inWorld(t, 1, func(t *testing.T, w *world) {
						sink := pillowtest.NewRecorder("report")
						if known {
							w.save("a")
							first := w.start(config(), sink)
							w.untilCommitted(1)
							if err := first.stop(); err != nil {
								t.Fatal(err)
							}
						}
						changes := w.pieces("a", test.deletions...)
						if test.exists {
							w.store.Put(docstore.Document{ID: "a", Body: []byte(`"after"`)})
						} else {
							w.store = new(docstore.Memory) // not found: a row is gone without a trace
						}
						w.publish(changes...)
						c := config()
						c.ChunkSize = chunkSize
						w.start(c, sink)
						committed := int64(len(changes))
						if known {
							committed++
						}
						total := w.untilCommitted(committed)
						if total.Total() != committed {
							t.Errorf("%+v, want a verdict on each of %d changes", total, committed)
						}
						body, exists := sink.Read("a")
						if exists != test.exists || exists && string(body) != `"after"` {
							t.Errorf("chunks of %d, known %v: the sink has %q, %v", chunkSize, known, body, exists)
						}
					})
				})
			}
		}
	}
}

// A transaction saves a document and, in a later piece, deletes it; a later
// transaction saves it again before the first save is read.
func TestADeletionDoesNotUndoASaveThatReadALaterTransaction(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.store.Put(docstore.Document{ID: "a", Body: []byte(`"later"`)})
		w.publish(w.pieces("a", isSave, isDeletion)...)
		c := config()
		c.ChunkSize = 1
		r := w.start(c, sink)
		w.untilCommitted(2)
		if body, _ := sink.Read("a"); string(body) != `"later"` {
			t.Errorf("the sink has %q before the later change has come", body)
		}
		w.publish(w.stub("a", false))
		w.untilCommitted(3)
		if body, _ := sink.Read("a"); string(body) != `"later"` {
			t.Errorf("the sink has %q", body)
		}
		if seen := r.seen.of("report"); seen[pillows.Applied] != 2 || seen[pillows.Superseded] != 1 {
			t.Errorf("observed %v, want the saves applied and the deletion superseded", seen)
		}
	})
}

// A row that moves to another data source is deleted in the one and saved in the
// other by one transaction, in either order, in one chunk or in two.
func TestARowThatMovesBetweenDataSourcesStays(t *testing.T) {
	for _, chunkSize := range []int{1, 500} {
		for _, saveFirst := range []bool{false, true} {
			inWorld(t, 1, func(t *testing.T, w *world) {
				deps := w.deps()
				if err := deps.Stores.Register("second", w.store); err != nil {
					t.Fatal(err)
				}
				sink := pillowtest.NewRecorder("report")
				w.save("a")
				changes := w.pieces("a", isDeletion, isSave)
				changes[1].Meta.DataSourceName = "second"
				if saveFirst {
					changes[0], changes[1] = changes[1], changes[0]
				}
				w.publish(changes...)
				c := config()
				c.ChunkSize = chunkSize
				w.startWith(c, deps, sink)
				w.untilCommitted(3)
				time.Sleep(time.Second)
				if _, exists := sink.Read("a"); !exists {
					t.Errorf("chunks of %d, save first %v: the sink does not have the document", chunkSize, saveFirst)
				}
			})
		}
	}
}
