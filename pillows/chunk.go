package pillows

import (
	"changefeed"
	"changefeed/docstore"
)

// chunk is the changes of one partition that are worked on together.
type chunk struct {
	places  []place             // where each change was read
	changes []changefeed.Change // as read, in the order of offsets
	items   []Item              // one for each document: its newest change
	newest  []int               // the change of each item, an index of changes
	reads   []readState         // how far the reading of each item has come
	failed  []int               // the items that a processor has just refused by themselves
	ledger  ledger
	passed  int // the changes below it are counted and in the committed offset
}

// readState is what is known of the document of an item.
type readState uint8

const (
	unread  readState = iota
	ready             // the item can be processed
	gone              // there is nothing to process: the document will be deleted
	stalled           // it could not be read or was refused: not before the next try
)

func (c *chunk) add(e *entry) {
	c.places = append(c.places, e.place)
	c.changes = append(c.changes, e.change)
}

// documentKey names a document among those of one partition.
type documentKey struct{ source, id string }

// collapse makes one item for each document, from its newest change by version,
// the later one where versions are equal: that is what their transaction did last,
// be it a save or a deletion. The other changes of the document are superseded.
// seen is scratch memory.
func (c *chunk) collapse(processors int, seen map[documentKey]int) {
	clear(seen)
	c.ledger = newLedger(processors, len(c.changes))
	c.items = make([]Item, 0, len(c.changes))
	c.newest = make([]int, 0, len(c.changes))
	for i := range c.changes {
		change := &c.changes[i]
		key := documentKey{change.Meta.DataSourceName, change.Meta.DocumentID}
		at, again := seen[key]
		switch {
		case !again:
			seen[key] = len(c.items)
			c.items = append(c.items, Item{Change: *change})
			c.newest = append(c.newest, i)
		case change.Version >= c.items[at].Change.Version:
			c.ledger.settle(c.newest[at], Superseded)
			c.items[at].Change = *change
			c.newest[at] = i
		default:
			c.ledger.settle(i, Superseded)
		}
	}
	c.reads = make([]readState, len(c.items))
	for i := range c.items {
		if c.items[i].Change.Meta.IsDeletion {
			c.reads[i] = ready
		}
	}
}

// again lets the items that stalled take part once more. Their documents are read
// anew: whoever mends a document writes it, and the change of that is behind this
// one.
func (c *chunk) again() {
	for i, state := range c.reads {
		switch {
		case state != stalled:
		case c.items[i].Change.Meta.IsDeletion:
			c.reads[i] = ready
		default:
			c.reads[i] = unread
		}
	}
}

// release lets go of the documents that are not needed any more: those of items
// that are done in all processors, and of those that failed. It reports whether
// some are kept, because a processor failed as a whole.
func (c *chunk) release() (kept bool) {
	for _, i := range c.failed {
		c.reads[i] = stalled
	}
	c.failed = c.failed[:0]
	for i := range c.items {
		if c.reads[i] == ready && c.ledger.open(c.newest[i]) {
			kept = true
		} else {
			c.items[i].Document = docstore.Document{}
		}
	}
	return kept
}

// held returns the size of the documents in memory, in bytes.
func (c *chunk) held() int {
	size := 0
	for i := range c.items {
		size += len(c.items[i].Document.Body)
	}
	return size
}

// done reports whether every change has a verdict from every processor.
func (c *chunk) done() bool { return c.ledger.floor(0) == len(c.changes) }

// batch returns what a processor has to work on: the items that are ready and
// open for it, and which items they are. Where that is all of them, the items
// themselves are given, so that processors share them.
func (c *chunk) batch(processor int) (items []Item, which []int) {
	verdicts := c.ledger.of(processor)
	which = make([]int, 0, len(c.items))
	for i := range c.items {
		if c.reads[i] == ready && verdicts[c.newest[i]] == Open {
			which = append(which, i)
		}
	}
	if len(which) == len(c.items) {
		return c.items, which
	}
	items = make([]Item, len(which))
	for k, i := range which {
		items[k] = c.items[i]
	}
	return items, which
}
