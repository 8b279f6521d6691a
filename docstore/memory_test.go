package docstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"changefeed/docstore"
	"changefeed/docstore/docstoretest"
)

func TestMemoryConforms(t *testing.T) {
	docstoretest.Run(t, func(_ *testing.T, wait time.Duration) docstoretest.Fixture {
		hook, waits := docstoretest.NewWaits()
		m := &docstore.Memory{VisibilityWait: wait, OnWait: hook}
		document := func(id, state string) docstore.Document {
			return docstore.Document{ID: id, Body: json.RawMessage(fmt.Sprintf(`{"state": %q}`, state))}
		}
		var xid uint64
		return docstoretest.Fixture{
			Store:  m,
			Waits:  waits,
			Save:   func(_ testing.TB, id, state string) { m.Put(document(id, state)) },
			Delete: func(_ testing.TB, id string) { m.Delete(id) },
			Begin: func(_ testing.TB, id, state string) (docstore.Horizon, func()) {
				xid++
				tx := m.Begin("main", xid)
				tx.Put(document(id, state))
				return docstore.Horizon{"main": {Epoch: 1, XIDs: []uint64{xid}}}, tx.Commit
			},
		}
	})
}

func TestMemoryGivesUpAfterItsVisibilityWait(t *testing.T) {
	for _, wait := range []time.Duration{0, 300 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			m := &docstore.Memory{VisibilityWait: wait}
			m.Begin("main", 7)
			m.Begin("main", 9).Commit()
			begun := time.Now()
			_, err := m.GetMany(t.Context(), docstore.Horizon{"main": {XIDs: []uint64{7, 9}}}, []string{"a"})
			if !errors.Is(err, docstore.ErrNotVisible) {
				t.Fatalf("GetMany: %v, want ErrNotVisible", err)
			}
			want := wait
			if wait == 0 {
				want = docstore.DefaultVisibilityWait
			}
			if got := time.Since(begun); got != want {
				t.Errorf("gave up after %s, want %s", got, want)
			}
		})
	}
}

func TestMemoryTransactionIsVisibleAtOnceOrNotAtAll(t *testing.T) {
	var m docstore.Memory
	m.Put(docstore.Document{ID: "a"})
	tx := m.Begin("main", 1)
	tx.Delete("a")
	tx.Put(docstore.Document{ID: "b"})
	before, err := m.GetMany(t.Context(), nil, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if before[0].Err != nil || !errors.Is(before[1].Err, docstore.ErrNotFound) {
		t.Errorf("before the commit: %v and %v, want a document and ErrNotFound", before[0].Err, before[1].Err)
	}
	tx.Commit()
	tx.Commit()
	after, err := m.GetMany(t.Context(), nil, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(after[0].Err, docstore.ErrDeleted) || after[1].Err != nil {
		t.Errorf("after the commit: %v and %v, want ErrDeleted and a document", after[0].Err, after[1].Err)
	}
}
