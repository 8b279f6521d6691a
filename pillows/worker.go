package pillows

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/docstore"
)

// worker works on one partition from its assignment until it is revoked, lost or
// the pillow drains. Its goroutine ends by itself once leave has been called, or
// the context of run has ended: the second says that the partition may be
// somebody else's already, so that nothing may be written or committed any more.
type worker struct {
	pillow    *Pillow
	partition partition
	log       *slog.Logger
	queue     *queue
	committer *committer
	// room is told after something has been taken from the queue.
	room func(*worker)
	// refetch makes the client fetch the partition again after a fault.
	refetch func(*worker)

	leave   func()        // asks the worker to end after the chunk in work
	leaving chan struct{} // closed by leave
	abandon func()        // ends the context of run
	done    chan struct{} // closed when run has returned

	// What follows belongs to the goroutine of run.
	seen        map[documentKey]int
	atOnce      int // how many documents to ask a store for, going by their size
	waits       waits
	outstanding *commitment // the last offset handed over, until the broker has it

	mu     sync.Mutex
	status status
}

// status is what others see of a worker.
type status struct {
	topicID  [16]byte
	progress Progress
	started  bool            // whether something has been committed or is in work
	next     kgo.EpochOffset // of the lowest change without all its verdicts; -1 where not known
	end      int64           // high watermark; -1 where not known
}

func newWorker(p *Pillow, of partition, c *committer) *worker {
	w := &worker{
		pillow:    p,
		partition: of,
		log:       p.log.With("topic", of.topic, "partition", of.number),
		queue:     newQueue(),
		committer: c,
		leaving:   make(chan struct{}),
		done:      make(chan struct{}),
		seen:      make(map[documentKey]int),
		atOnce:    docstore.MaxBatch,
		status:    status{next: kgo.EpochOffset{Epoch: -1, Offset: -1}, end: -1, progress: Progress{State: Running}},
	}
	w.leave = sync.OnceFunc(func() { close(w.leaving) })
	return w
}

// begin sets where the partition stands: at the offset and the progress that its
// last owner committed. It is called before anything is fetched.
func (w *worker) begin(topicID [16]byte, at kgo.EpochOffset, metadata string) {
	progress, err := ParseProgress(metadata)
	if err != nil {
		progress = Progress{} // set by another tool: count from here
	}
	progress.State, progress.Since, progress.Reason = Running, time.Time{}, ""
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.status.started {
		w.status.topicID, w.status.next, w.status.progress = topicID, at, progress
	}
}

// run works until the worker is to leave or ctx ends.
func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	for on := true; on; {
		switch c, at, f := w.next(ctx); {
		case f != nil:
			on = w.standAt(ctx, at, f)
		case c != nil:
			on = w.work(ctx, c)
		default:
			on = false
		}
	}
	if !w.awaitCommit(ctx) {
		w.committer.forget(w.partition, w.outstanding) // lost: nothing more may be committed
	}
}

// next waits for changes and returns what is queued, up to a chunk, or the fault
// at which the queue stands. It returns neither when the worker is to end.
func (w *worker) next(ctx context.Context) (*chunk, place, *fault) {
	config := &w.pillow.config
	for {
		select {
		case <-w.leaving:
			return nil, place{}, nil
		default:
		}
		c := new(chunk)
		at, f := w.queue.take(c, config.ChunkSize, config.ChunkBytes)
		if f != nil {
			return nil, at, f
		}
		if len(c.changes) > 0 {
			w.room(w)
			c.collapse(len(w.pillow.processors), w.seen)
			return c, place{}, nil
		}
		select {
		case <-w.queue.ready:
		case <-w.leaving:
		case <-ctx.Done():
			return nil, place{}, nil
		}
	}
}

// work brings a chunk to its verdicts and hands over the offset after it. It
// returns false where the worker has to end before that.
func (w *worker) work(ctx context.Context, c *chunk) bool {
	retry := backoff{least: w.pillow.config.MinBackoff, most: w.pillow.config.MaxBackoff}
	for {
		open := c.ledger.opened()
		t := w.try(ctx, c)
		if ctx.Err() != nil {
			return false
		}
		if c.ledger.opened() < open {
			retry.reset()
		}
		if c.done() {
			w.goesOn()
			return w.commit(ctx, c)
		}
		w.waitsFor(t, c)
		if !w.commit(ctx, c) || !w.rest(ctx, retry.next()) {
			return false
		}
	}
}

// try does once everything that is still open in a chunk, and returns what kept
// the lowest open change from its verdict. Where the documents are too large to be
// in memory together, it takes turns: what has been read is processed and let go
// of before more is read. The turns end where a processor fails as a whole, which
// would have to be given all of them again.
func (w *worker) try(ctx context.Context, c *chunk) trouble {
	c.again()
	var t trouble
	for {
		unable, more := w.read(ctx, c)
		t.worse(unable)
		for i := range w.pillow.processors {
			if ctx.Err() != nil {
				return t // the partition is not ours any more
			}
			t.worse(w.process(ctx, c, i))
			w.observe(c, i)
		}
		if kept := c.release(); kept || !more {
			return t
		}
	}
}

// commit hands over the offset of the lowest change that is open in some
// processor. It returns false where the partition was lost meanwhile.
func (w *worker) commit(ctx context.Context, c *chunk) bool {
	floor := c.ledger.floor(c.passed)
	if floor == c.passed && !w.waits.news() {
		return true
	}
	return w.handOver(ctx, func(s *status) {
		s.progress.Changes += int64(floor - c.passed)
		s.progress.Counts = s.progress.Counts.plus(c.ledger.count(c.passed, floor))
		c.passed = floor
		if floor > 0 {
			last := c.places[floor-1]
			s.next = kgo.EpochOffset{Epoch: last.epoch, Offset: last.offset + 1}
		} else {
			s.next.Offset = c.places[0].offset
		}
	})
}

// handOver changes the status and hands over what it says to the committer, once
// the broker has what was handed over before. It returns false where the
// partition was lost meanwhile.
func (w *worker) handOver(ctx context.Context, change func(*status)) bool {
	if !w.awaitCommit(ctx) {
		return false
	}
	w.mu.Lock()
	w.status.started = true
	change(&w.status)
	next := &commitment{topicID: w.status.topicID, at: w.status.next, metadata: w.status.progress.Metadata()}
	w.mu.Unlock()
	if next.at.Offset >= 0 {
		w.committer.put(w.partition, next)
		w.outstanding = next
	}
	return true
}

// awaitCommit waits until the broker has the offset handed over last.
func (w *worker) awaitCommit(ctx context.Context) bool {
	if w.outstanding == nil {
		return ctx.Err() == nil
	}
	select {
	case <-w.outstanding.done:
		w.outstanding = nil
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// rest waits for d. It returns false where the worker has to end.
func (w *worker) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.leaving:
		return false
	case <-ctx.Done():
		return false
	}
}

// backoff gives the waits between tries: doubling, with jitter, so that
// partitions that failed together do not come back together.
type backoff struct{ least, most, last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.least), b.most)
	return b.last/2 + rand.N(b.last/2+1)
}

func (b *backoff) reset() { b.last = 0 }
