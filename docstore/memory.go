package docstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Memory is a Store that keeps its documents in memory, for tests and for
// programs without a database. The zero Memory is empty and ready for use, from
// many goroutines.
//
// It has transactions, so that a document can be announced before it is visible:
// see [Memory.Begin]. It has no epochs and no log: of a horizon it honours the
// transactions alone.
type Memory struct {
	// VisibilityWait is how long a read waits for its horizon. Default:
	// DefaultVisibilityWait. Not to be changed after first use.
	VisibilityWait time.Duration
	// OnWait, where set, is called by a read that is about to wait for its
	// horizon. Not to be changed after first use.
	OnWait func()

	mu      sync.Mutex // guards what follows
	results map[string]Result
	open    []*MemoryTx
	ended   chan struct{} // closed at the next commit; nil while no read waits
}

var _ Store = (*Memory)(nil)

// Put stores documents under their ids, in place of what was there. Their bodies
// are not copied and must not change afterwards.
func (m *Memory) Put(documents ...Document) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range documents {
		m.set(d.ID, Result{Document: d})
	}
}

// Delete deletes documents: reads of them give [ErrDeleted] from now on.
func (m *Memory) Delete(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.set(id, deleted(id))
	}
}

// set stores the answer for an id. The caller holds the mutex.
func (m *Memory) set(id string, r Result) {
	if m.results == nil {
		m.results = make(map[string]Result)
	}
	m.results[id] = r
}

func deleted(id string) Result {
	return Result{Err: fmt.Errorf("document %q: %w", id, ErrDeleted)}
}

// GetMany implements [Store].
func (m *Memory) GetMany(ctx context.Context, at Horizon, ids []string) ([]Result, error) {
	if len(ids) > MaxBatch {
		return nil, fmt.Errorf("read documents from memory: %d ids at once, more than %d", len(ids), MaxBatch)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read documents from memory: %w", err)
	}
	wait := m.VisibilityWait
	if wait == 0 {
		wait = DefaultVisibilityWait
	}
	enough := time.NewTimer(wait)
	defer enough.Stop()
	for {
		results, awaited, ended := m.look(at, ids)
		if awaited == nil {
			return results, nil
		}
		if m.OnWait != nil {
			m.OnWait()
		}
		select {
		case <-ended:
		case <-enough.C:
			return nil, fmt.Errorf("read documents from memory: transaction %d of source %s, after %s: %w",
				awaited.xid, awaited.source, wait, ErrNotVisible)
		case <-ctx.Done():
			return nil, fmt.Errorf("read documents from memory: %w", ctx.Err())
		}
	}
}

// look reads the documents, or returns a transaction of the horizon that is
// still open and a channel that is closed when the next one ends.
func (m *Memory) look(at Horizon, ids []string) (results []Result, awaited *MemoryTx, ended <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tx := range m.open {
		if marks := at[tx.source]; marks != nil && slices.Contains(marks.XIDs, tx.xid) {
			if m.ended == nil {
				m.ended = make(chan struct{})
			}
			return nil, tx, m.ended
		}
	}
	results = make([]Result, len(ids))
	given, size := make(map[string]bool, len(ids)), 0
	for i, id := range ids {
		r, ok := m.results[id]
		switch {
		case !ok:
			r.Err = fmt.Errorf("document %q: %w", id, ErrNotFound)
		case r.Err != nil || given[id]:
		case len(given) > 0 && size+len(r.Document.Body) > MaxBytes:
			r = Result{Err: fmt.Errorf("document %q: %w", id, ErrNotRead)}
		default:
			given[id] = true
			size += len(r.Document.Body)
		}
		results[i] = r
	}
	return results, nil, nil
}
