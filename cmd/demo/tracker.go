package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"changefeed/pillows"
)

// pair is a change as the writer knows it: an order in a transaction.
type pair struct {
	xid   uint64
	order int64
}

// expected is the state of a pair that has not been settled.
type expected struct {
	committed time.Time // when the commit returned, zero before
	seen      bool      // a verdict came before the commit returned
	linesOnly bool
}

// settledKept is how many settled pairs are remembered at least, so that a
// repeat is told from a change that nobody made.
const settledKept = 200_000

// tracker has an account of every change: who waits for a verdict, how long it
// took, and what should not have come.
type tracker struct {
	mu       sync.Mutex
	open     map[pair]expected
	lines    map[int64]int        // open pairs in which only lines changed, by order
	settled  [2]map[pair]struct{} // the first is filled; the second was full before
	moved    time.Time            // when an account was last opened on an empty book, or settled
	counts   pillows.Counts       // of first verdicts
	total    histogram            // since the beginning
	lately   *histogram           // since the last call of recent
	repeats  int64                // verdicts on settled pairs
	strays   int64                // verdicts that no pair waits for
	examples []string             // of strays
}

func newTracker() *tracker {
	return &tracker{
		open: make(map[pair]expected), lines: make(map[int64]int),
		settled: [2]map[pair]struct{}{{}, {}}, lately: new(histogram),
	}
}

// expect notes the changes of a transaction that is about to be committed: its
// orders, and whether only lines of them have changed. A verdict can come before
// the commit has returned.
func (t *tracker) expect(xid uint64, orders map[int64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) == 0 {
		t.moved = time.Now()
	}
	for order, linesOnly := range orders {
		t.open[pair{xid, order}] = expected{linesOnly: linesOnly}
		if linesOnly {
			t.lines[order]++
		}
	}
}

// committed starts the clock of changes whose commit has returned.
func (t *tracker) committed(xid uint64, orders map[int64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now()
	for order := range orders {
		p := pair{xid, order}
		e := t.open[p]
		if e.seen {
			t.settle(p, 0)
			continue
		}
		e.committed = at
		t.open[p] = e
	}
}

// observe takes verdicts as the pillow reaches them.
func (t *tracker) observe(o pillows.Observation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Now()
	for i := range o.Changes {
		c := &o.Changes[i]
		order, err := strconv.ParseInt(c.Meta.DocumentID, 10, 64)
		p := pair{c.XID, order}
		e, waits := t.open[p]
		switch {
		case err != nil, !waits && !t.isSettled(p):
			t.stray(fmt.Sprintf("order %s of transaction %d (%s)", c.Meta.DocumentID, c.XID, o.Verdicts[i]))
			continue
		case !waits, e.seen:
			t.repeats++
			continue
		}
		t.count(o.Verdicts[i])
		if e.committed.IsZero() {
			e.seen = true
			t.open[p] = e
			continue
		}
		t.settle(p, at.Sub(e.committed))
	}
}

func (t *tracker) stray(what string) {
	if t.strays++; len(t.examples) < examplesShown {
		t.examples = append(t.examples, what)
	}
}

func (t *tracker) count(v pillows.Verdict) {
	switch v {
	case pillows.Applied:
		t.counts.Applied++
	case pillows.Superseded:
		t.counts.Superseded++
	case pillows.Filtered:
		t.counts.Filtered++
	case pillows.Parked:
		t.counts.Parked++
	case pillows.Open: // never observed
	}
}

// settle closes a pair. The caller holds mu.
func (t *tracker) settle(p pair, latency time.Duration) {
	if t.open[p].linesOnly {
		if t.lines[p.order]--; t.lines[p.order] == 0 {
			delete(t.lines, p.order)
		}
	}
	delete(t.open, p)
	t.moved = time.Now()
	t.total.add(latency)
	t.lately.add(latency)
	if len(t.settled[0]) >= settledKept {
		t.settled[0], t.settled[1] = t.settled[1], t.settled[0]
		clear(t.settled[0])
	}
	t.settled[0][p] = struct{}{}
}

func (t *tracker) isSettled(p pair) bool {
	_, now := t.settled[0][p]
	_, before := t.settled[1][p]
	return now || before
}

// withoutOpenLines returns the orders of which no change of lines alone waits
// for its verdict.
func (t *tracker) withoutOpenLines(orders []int64) []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(orders), func(order int64) bool { return t.lines[order] > 0 })
}

// stalled reports whether something waits for a verdict and nothing has got one
// for longer than a time.
func (t *tracker) stalled(limit time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open) > 0 && time.Since(t.moved) > limit
}

// waiting returns the number of changes without a verdict.
func (t *tracker) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// recent returns the latencies since it was last called.
func (t *tracker) recent() *histogram {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.lately
	t.lately = new(histogram)
	return h
}

// account is the state of a tracker at one moment.
type account struct {
	open     int64
	counts   pillows.Counts
	repeats  int64
	strays   int64
	examples []string // of strays
	latency  *histogram
}

func (t *tracker) account() account {
	t.mu.Lock()
	defer t.mu.Unlock()
	latency := t.total
	return account{
		open: int64(len(t.open)), counts: t.counts, repeats: t.repeats, strays: t.strays,
		examples: slices.Clone(t.examples), latency: &latency,
	}
}

// examplesShown bounds the examples of each kind of fault.
const examplesShown = 5

// lost names some of the pairs that are open, the oldest first.
func (t *tracker) lost() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	pairs := make([]pair, 0, len(t.open))
	for p := range t.open {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.xid, b.xid), cmp.Compare(a.order, b.order)) })
	var names []string
	for _, p := range pairs[:min(len(pairs), examplesShown)] {
		names = append(names, fmt.Sprintf("order %d of transaction %d", p.order, p.xid))
	}
	return names
}
