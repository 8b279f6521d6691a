package pillows

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// quietFor is how long a partition waits for documents to become visible before
// it says so: they usually do within milliseconds.
const quietFor = time.Second

// trouble is what keeps a change from its verdict.
type trouble struct {
	err       error  // nil: no trouble
	processor string // empty where the document cannot be read
	change    int    // the lowest change concerned
	quiet     bool   // expected to pass by itself
}

// worse keeps the trouble of the lower change.
func (t *trouble) worse(other trouble) {
	if t.err == nil || other.err != nil && other.change < t.change {
		*t = other
	}
}

// waits is what a worker has said about waiting.
type waits struct {
	since time.Time // when it began, said or not; zero while the worker does not wait
	said  time.Time // when it was last said; zero where it was not
	fresh bool      // whether the committed metadata does not tell it yet
}

// news reports whether the committed metadata should be renewed, once.
func (s *waits) news() bool {
	fresh := s.fresh
	s.fresh = false
	return fresh
}

// say reports whether it is time to say that the worker waits, and whether it is
// the first time.
func (s *waits) say(quiet bool) (now, first bool) {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	first = s.said.IsZero()
	if quiet && first && time.Since(s.since) < quietFor {
		return false, false
	}
	if !first && time.Since(s.said) < repeatEvery {
		return false, false
	}
	s.said = time.Now()
	s.fresh = true
	return true, first
}

// waitsFor notes that a chunk waits, and says so from time to time.
func (w *worker) waitsFor(t trouble, c *chunk) {
	w.sayWaiting(t, c.places[t.change].offset, "document_id", c.changes[t.change].Meta.DocumentID, "open", c.ledger.opened())
}

// sayWaiting notes that the worker waits at an offset; where it is time to, it
// logs that, and has the reason committed with the next offset.
func (w *worker) sayWaiting(t trouble, offset int64, attrs ...any) {
	say, first := w.waits.say(t.quiet)
	reason := t.err.Error()
	if t.processor != "" {
		reason = t.processor + ": " + reason
	}
	if !say {
		return
	}
	w.mu.Lock()
	p := &w.status.progress
	p.State, p.Since, p.Reason = Waiting, w.waits.since, reason
	w.mu.Unlock()
	attrs = append(attrs, "offset", offset, "processor", t.processor, "since", w.waits.since, "error", t.err)
	if first {
		w.log.Warn("partition waits", attrs...)
	} else {
		w.log.Warn("partition still waits", attrs...)
	}
}

// goesOn notes that the worker does not wait any more.
func (w *worker) goesOn() {
	if !w.waits.said.IsZero() {
		w.log.Info("partition goes on", "waited", time.Since(w.waits.since).Round(time.Millisecond))
	}
	w.waits = waits{}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &w.status.progress
	p.State, p.Since, p.Reason = Running, time.Time{}, ""
}

// standAt waits at a fault. It returns true where reading goes on, false where
// the worker has to end.
func (w *worker) standAt(ctx context.Context, at place, f *fault) bool {
	err, retry, offset := f.err, false, at.offset
	if f.fetch {
		offset = w.position()
		err, retry = explainFetch(f.err, w.partition, offset)
	}
	for {
		w.sayWaiting(trouble{err: err}, offset)
		// An offset must not be committed to a topic that it was not read from.
		committed := !w.waits.news() || errors.Is(f.err, kerr.UnknownTopicID) || w.handOver(ctx, func(s *status) { s.next.Offset = offset })
		if !committed || !w.rest(ctx, min(repeatEvery, w.pillow.config.MaxBackoff)) {
			return false
		}
		if retry {
			return w.fetchAgain(ctx)
		}
	}
}

// fetchAgain drops the fault at which the worker stands and waits a moment for
// what fetching brings: records, the fault again, or nothing, which is as good.
func (w *worker) fetchAgain(ctx context.Context) bool {
	w.queue.dropFault()
	w.refetch(w)
	timer := time.NewTimer(4 * fetchWait)
	defer timer.Stop()
	select {
	case <-w.queue.ready:
		w.queue.signal()
		return true
	case <-timer.C:
		w.goesOn()
		return w.handOver(ctx, func(*status) {})
	case <-w.leaving:
		return false
	case <-ctx.Done():
		return false
	}
}
