package docstore

import "slices"

// MemoryTx is an open transaction of a [Memory]. It is used by one goroutine.
type MemoryTx struct {
	memory *Memory
	source string
	xid    uint64
	writes []memoryWrite
}

type memoryWrite struct {
	id     string
	result Result
}

// Begin opens a transaction under the id that the changes of a source carry. No
// read sees what it writes before Commit, and a read whose horizon has this
// source and transaction waits for it.
func (m *Memory) Begin(source string, xid uint64) *MemoryTx {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &MemoryTx{memory: m, source: source, xid: xid}
	m.open = append(m.open, tx)
	return tx
}

// Put stores documents, as [Memory.Put] does, when the transaction commits.
func (tx *MemoryTx) Put(documents ...Document) {
	for _, d := range documents {
		tx.writes = append(tx.writes, memoryWrite{d.ID, Result{Document: d}})
	}
}

// Delete deletes documents, as [Memory.Delete] does, when the transaction
// commits.
func (tx *MemoryTx) Delete(ids ...string) {
	for _, id := range ids {
		tx.writes = append(tx.writes, memoryWrite{id, deleted(id)})
	}
}

// Commit makes the writes visible, all at once, and ends the transaction.
// Further calls do nothing.
func (tx *MemoryTx) Commit() {
	m := tx.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range tx.writes {
		m.set(w.id, w.result)
	}
	tx.writes = nil
	m.open = slices.DeleteFunc(m.open, func(other *MemoryTx) bool { return other == tx })
	if m.ended != nil {
		close(m.ended)
		m.ended = nil
	}
}
