package cdc

import (
	"context"
	"sync"
)

const (
	// queueBytes bounds what waits to be published. Twice as much can be held:
	// the batch that is being published was a full queue before.
	queueBytes = 1 << 20
	// queueChunk documents are put under one lock.
	queueChunk = 256
)

// batch is a stretch of the log, ready to be published.
type batch struct {
	documents []document
	text      []byte // of their spans
	marks     []mark // ascending
}

// mark says that the log may be confirmed up to an LSN as soon as the first so
// many documents of the batch, and everything before the batch, are
// acknowledged.
type mark struct {
	documents int
	lsn       uint64
	commit    uint64 // the highest of them that ends a transaction with documents; 0: none
}

func (b *batch) size() int { return len(b.documents)*documentSize + len(b.text) }

func (b *batch) reset() {
	b.documents, b.text, b.marks = b.documents[:0], b.text[:0], b.marks[:0]
	if cap(b.text) > 2*queueBytes {
		b.text = nil
	}
}

// queue hands documents from the reader to the publishing stage: one batch that
// grows until it is taken. So a batch is as small as the transaction that was
// waited for, and as large as the queue when the sink is the slower side.
type queue struct {
	filled chan struct{} // capacity 1: something was put, or the queue was closed
	taken  chan struct{} // capacity 1: the batch was taken

	mu      sync.Mutex
	pending batch
	closed  bool
}

func newQueue() *queue {
	return &queue{filled: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

// put copies documents and their texts into the queue. It blocks while the queue
// is full, and returns an error only when ctx ends; some may then be in.
func (q *queue) put(ctx context.Context, docs []document, text []byte) error {
	for len(docs) > 0 {
		n, full := q.add(docs, text)
		docs = docs[n:]
		if full {
			notify(q.filled)
		}
		if n > 0 {
			continue
		}
		select {
		case <-q.taken:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// add copies as many documents as there is room for, at most a chunk. full tells
// that there are so many that they need not wait for more.
func (q *queue) add(docs []document, text []byte) (n int, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.pending
	for n < min(len(docs), queueChunk) && b.size() < queueBytes {
		b.documents = append(b.documents, docs[n])
		doc := &b.documents[len(b.documents)-1]
		b.text = doc.id.move(b.text, text)
		for i := range doc.route.attributes {
			b.text = doc.values[i].move(b.text, text)
		}
		n++
	}
	return n, len(b.documents) >= queueChunk || b.size() >= queueBytes
}

// release lets what was put be taken. Before that it is taken where it is much:
// else the other side would be woken for each transaction, though more of them
// are at hand.
func (q *queue) release() { notify(q.filled) }

// mark says that everything up to lsn has been put. It never blocks: marks with
// nothing between them are one.
func (q *queue) mark(lsn uint64) { q.enter(mark{lsn: lsn}) }

// commit is mark for the end of a transaction that has documents.
func (q *queue) commit(lsn uint64) { q.enter(mark{lsn: lsn, commit: lsn}) }

func (q *queue) enter(m mark) {
	q.mu.Lock()
	b := &q.pending
	m.documents = len(b.documents)
	if n := len(b.marks); n > 0 && b.marks[n-1].documents == m.documents {
		last := &b.marks[n-1]
		last.lsn, last.commit = max(last.lsn, m.lsn), max(last.commit, m.commit)
	} else {
		b.marks = append(b.marks, m)
	}
	q.mu.Unlock()
}

// close lets take report the end once everything has been taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	notify(q.filled)
}

// take puts everything that is in the queue into b, whose memory goes to the
// queue. It blocks while there is nothing, and reports false when there will not
// be anything more.
func (q *queue) take(ctx context.Context, b *batch) (bool, error) {
	b.reset()
	for {
		q.mu.Lock()
		if len(q.pending.documents)+len(q.pending.marks) > 0 {
			q.pending, *b = *b, q.pending
			q.mu.Unlock()
			notify(q.taken)
			return true, nil
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return false, nil
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// left returns the number of documents that nobody has taken.
func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending.documents)
}

// notify wakes the one goroutine that waits on a channel of capacity 1, now or
// when it next waits.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
