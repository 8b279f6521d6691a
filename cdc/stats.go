package cdc

import "sync/atomic"

// Stats is a publisher's state at one moment. The counts are since it was made,
// over all its sessions; what is published again counts again.
type Stats struct {
	// State is for people: connecting, reading topics back, streaming, draining,
	// stopped, waiting for server, waiting for sink, waiting for topics, waiting for
	// state, waiting for another publisher, waiting for slot (active for PID n),
	// waiting for parents of TABLE.
	State string
	// Epoch of the positions that are being published, 0 before the first session.
	Epoch uint32
	// Streaming tells whether the slot is being read.
	Streaming bool
	// Sessions counts the times at which streaming has begun.
	Sessions uint64
	// Transactions counts committed transactions that were read to their end.
	Transactions uint64
	// Rows counts inserts, updates and deletes that were read.
	Rows uint64
	// Published counts changes handed to the sink, Acknowledged those of them
	// that the sink has acknowledged.
	Published, Acknowledged uint64
	// ParentsGone counts changes of satellites that yielded nothing because
	// their parent's row was gone.
	ParentsGone uint64
	// Skipped counts changes that were read again and not published again,
	// because the topics had them.
	Skipped uint64
	// WithoutDocument counts rows that belong to no document: satellites without
	// a parent, and rows whose document id is null or empty.
	WithoutDocument uint64
	// Ignored counts rows of tables without a route, and of operations that the
	// route leaves out.
	Ignored uint64
	// Truncates counts the routed tables that a TRUNCATE emptied.
	Truncates uint64
	// Suppressed counts changes that a suppress message left out.
	Suppressed uint64
	// MessagesIgnored counts logical messages with the publisher's prefix that
	// were not heeded: because they were not transactional, or asked to suppress
	// where Config.AllowSuppress does not let them.
	MessagesIgnored uint64
	// Malformed counts transactional messages with the publisher's prefix that
	// could not be read.
	Malformed uint64
	// ReceivedLSN is the highest position that the server has sent.
	ReceivedLSN uint64
	// FlushedLSN is the highest position that the server has been told it may
	// forget: everything before it is acknowledged.
	FlushedLSN uint64
	// Slot is the slot as it was looked at last, after Config.WatchInterval at the
	// latest while a session streams.
	Slot SlotStats
}

// counters are what Stats is read from.
type counters struct {
	state     atomic.Pointer[string]
	streaming atomic.Bool

	sessions, transactions, rows         atomic.Uint64
	published, acknowledged, parentsGone atomic.Uint64
	withoutDocument, ignored, truncates  atomic.Uint64
	suppressed                           atomic.Uint64
	messagesIgnored, malformed           atomic.Uint64
	skipped                              atomic.Uint64
	epoch                                atomic.Uint32
	receivedLSN, flushedLSN              atomic.Uint64
	slot                                 atomic.Pointer[SlotStats] // nil before the first look
}

func (c *counters) setState(state string) { c.state.Store(&state) }

// during sets the state while something is waited for. The function it returns
// takes that back, unless there is another state by then.
func (c *counters) during(state string) (over func()) {
	before := c.state.Swap(&state)
	return func() { c.state.CompareAndSwap(&state, before) }
}

func (c *counters) stats() Stats {
	s := Stats{
		Streaming:       c.streaming.Load(),
		Sessions:        c.sessions.Load(),
		Transactions:    c.transactions.Load(),
		Rows:            c.rows.Load(),
		Acknowledged:    c.acknowledged.Load(), // before Published, which must not be less
		ParentsGone:     c.parentsGone.Load(),
		Skipped:         c.skipped.Load(),
		Epoch:           c.epoch.Load(),
		WithoutDocument: c.withoutDocument.Load(),
		Ignored:         c.ignored.Load(),
		Truncates:       c.truncates.Load(),
		Suppressed:      c.suppressed.Load(),
		MessagesIgnored: c.messagesIgnored.Load(),
		Malformed:       c.malformed.Load(),
		FlushedLSN:      c.flushedLSN.Load(),
		ReceivedLSN:     c.receivedLSN.Load(),
	}
	s.Published = c.published.Load()
	if state := c.state.Load(); state != nil {
		s.State = *state
	}
	if slot := c.slot.Load(); slot != nil {
		s.Slot = *slot
	}
	return s
}

// raise sets a counter to a higher value. It has one writer at a time.
func raise(counter *atomic.Uint64, to uint64) {
	if counter.Load() < to {
		counter.Store(to)
	}
}
