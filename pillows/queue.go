package pillows

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

// partition names one partition of a topic.
type partition struct {
	topic  string
	number int32
}

// place is where a change was read.
type place struct {
	offset int64
	epoch  int32 // of the partition's leader; -1 where not known
}

// entry is one record as it was read, decoded at once: an entry keeps nothing of
// the fetched buffer, of which a single record would otherwise hold all the
// megabytes.
type entry struct {
	place
	change changefeed.Change
	size   int    // of the record, in bytes
	fault  *fault // why there is no change; the partition waits here
}

// fault is why a partition cannot be read past an offset.
type fault struct {
	err error
	// fetch says that nothing was read: fetching stands still until the fault is
	// cleared. Otherwise it is one record that cannot be read.
	fetch bool
}

// newEntry decodes a record.
func newEntry(r *kgo.Record) entry {
	e := entry{place: place{r.Offset, r.LeaderEpoch}, size: len(r.Key) + len(r.Value)}
	for i := range r.Headers {
		e.size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	var err error
	if e.change, err = changefeed.ParseRecord(r); err != nil {
		e.fault = &fault{err: explainRecord(err, r)}
	}
	return e
}

// queue holds what has been read of one partition and is not worked on yet. The
// receiver puts, the worker takes. Its bounds are soft by what one poll brings.
type queue struct {
	ready chan struct{} // has one element while there may be something to take

	mu      sync.Mutex
	entries []entry
	bytes   int
	paused  bool // fetching is paused until there is room again
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put adds entries, which belong to the queue from then on.
func (q *queue) put(entries []entry) {
	q.mu.Lock()
	if len(q.entries) == 0 {
		q.entries = entries
	} else {
		q.entries = append(q.entries, entries...)
	}
	for i := range entries {
		q.bytes += entries[i].size
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take moves entries into c until the queue is empty, the chunk is full, or the
// next entry has a fault. A fault is returned, and stays, once it is the first.
func (q *queue) take(c *chunk, records, bytes int) (place, *fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for size := 0; n < len(q.entries) && n < records; n++ {
		e := &q.entries[n]
		if size += e.size; n > 0 && size > bytes || e.fault != nil {
			break
		}
		c.add(e)
	}
	q.drop(n)
	if n > 0 || len(q.entries) == 0 {
		return place{}, nil
	}
	return q.entries[0].place, q.entries[0].fault
}

// dropFault removes the fault that take returned, after which nothing can have
// come, so that ready tells of what comes next.
func (q *queue) dropFault() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(1)
	select {
	case <-q.ready:
	default:
	}
}

// drop removes the first n entries. The caller holds the mutex.
func (q *queue) drop(n int) {
	for i := range q.entries[:n] {
		q.bytes -= q.entries[i].size
	}
	clear(q.entries[:n]) // let go of the strings: the array may live on
	q.entries = q.entries[n:]
}

// length returns the number of entries.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// fuller reports whether the queue is at or above a part of its bounds. The
// caller holds the mutex.
func (q *queue) fuller(records, bytes int) bool {
	return len(q.entries) >= records || q.bytes >= bytes
}

// full reports whether the queue has reached its bounds and is still fed.
func (q *queue) full(records, bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.paused && q.fuller(records, bytes)
}

// pause calls stop, which pauses fetching, unless it is paused already. The
// calls of pause and resume are serialised by the mutex, so that the last one
// decides.
func (q *queue) pause(stop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.paused {
		q.paused = true
		stop()
	}
}

// resume calls start where fetching is paused and the queue is below the given
// bounds. A queue that ends in a fetch fault stays paused.
func (q *queue) resume(records, bytes int, start func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.paused || q.fuller(records, bytes) || q.blocked() {
		return
	}
	q.paused = false
	start()
}

// blocked reports whether the last entry is a fetch fault. The caller holds the
// mutex.
func (q *queue) blocked() bool {
	n := len(q.entries)
	return n > 0 && q.entries[n-1].fault != nil && q.entries[n-1].fault.fetch
}

// putFault ends the queue with a fetch fault, once.
func (q *queue) putFault(f *fault) {
	q.mu.Lock()
	blocked := q.blocked()
	q.mu.Unlock()
	if !blocked {
		q.put([]entry{{place: place{offset: -1, epoch: -1}, fault: f}})
	}
}
