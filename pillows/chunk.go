package pillows

import "changefeed"

// chunk is the changes of one partition that are worked on together.
type chunk struct {
	places  []place             // where each change was read
	changes []changefeed.Change // as read, in the order of offsets
	items   []Item              // one for each document: its newest change
	newest  []int               // the change of each item, an index of changes
	reads   []readState         // how far the reading of each item has come
	failed  []int               // the items that failed by themselves in this try
	ledger  ledger
	passed  int // the changes below it are counted and in the committed offset
}

// readState is what is known of the document of an item.
type readState uint8

const (
	unread readState = iota
	ready            // the item can be processed
	gone             // there is nothing to process: the document will be deleted
)

func (c *chunk) add(e *entry) {
	c.places = append(c.places, e.place)
	c.changes = append(c.changes, e.change)
}

// documentKey names a document among those of one partition.
type documentKey struct{ source, id string }

// collapse makes one item for each document, from its newest change by version,
// the later one where versions are equal. The other changes of the document are
// superseded. seen is scratch memory.
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

// readAgain has the documents of the items that failed read once more: whoever
// mends a document writes it, and the change of that is behind this one.
func (c *chunk) readAgain() {
	for _, i := range c.failed {
		if !c.items[i].Change.Meta.IsDeletion {
			c.reads[i] = unread
		}
	}
	c.failed = c.failed[:0]
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
