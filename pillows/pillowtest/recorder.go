package pillowtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"changefeed"
	"changefeed/pillows"
)

// Recorder is a processor whose sink is memory. It refuses what its versions
// rule out, remembers deletions, and keeps a list of what it was given. Documents
// of several data sources that have one id are one document to it. It is safe for
// concurrent use.
type Recorder struct {
	name string
	// Before, where set, is called at the beginning of every call. Its error is
	// that of the call; it may block, or wait for ctx. Set it before use.
	Before func(ctx context.Context, b *pillows.Batch) error
	// Refuse, where set, gives the error of a single item, or nil. Set it before
	// use.
	Refuse func(item pillows.Item) error

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced when deliveries grows
	rows       map[string]row
	deliveries []Delivery
}

// row is what the sink has of a document, also of a deleted one.
type row struct {
	version changefeed.Version
	deleted bool
	body    json.RawMessage
}

// Delivery is one item of one call, with what became of it.
type Delivery struct {
	Call    int // the number of the call, from 0
	Change  changefeed.Change
	Verdict pillows.Verdict // Open where Err is set
	Err     error
}

var _ pillows.Processor = (*Recorder)(nil)

// NewRecorder returns a processor with an empty sink.
func NewRecorder(name string) *Recorder {
	return &Recorder{name: name, changed: make(chan struct{}), rows: make(map[string]row)}
}

// Name implements [pillows.Processor].
func (r *Recorder) Name() string { return r.name }

// Process implements [pillows.Processor].
func (r *Recorder) Process(ctx context.Context, b *pillows.Batch) error {
	if r.Before != nil {
		if err := r.Before(ctx, b); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	call := 0
	if n := len(r.deliveries); n > 0 {
		call = r.deliveries[n-1].Call + 1
	}
	var failed []pillows.ItemError
	for i := range b.Items {
		d := Delivery{Call: call, Change: b.Items[i].Change}
		if d.Err = r.refuse(&b.Items[i]); d.Err != nil {
			failed = append(failed, pillows.ItemError{Index: i, Err: d.Err})
		} else {
			d.Verdict = r.write(&b.Items[i])
			b.Settle(i, d.Verdict)
		}
		r.deliveries = append(r.deliveries, d)
	}
	close(r.changed)
	r.changed = make(chan struct{})
	if len(failed) > 0 {
		return &pillows.BatchError{Failed: failed}
	}
	return nil
}

func (r *Recorder) refuse(item *pillows.Item) error {
	if r.Refuse == nil {
		return nil
	}
	return r.Refuse(*item)
}

func (r *Recorder) write(item *pillows.Item) pillows.Verdict {
	c := &item.Change
	old, ok := r.rows[c.Meta.DocumentID]
	if ok && (old.version > c.Version || old.version == c.Version && c.Meta.IsDeletion) {
		return pillows.Superseded
	}
	r.rows[c.Meta.DocumentID] = row{version: c.Version, deleted: c.Meta.IsDeletion, body: slices.Clone(item.Document.Body)}
	return pillows.Applied
}

// Deliveries returns a copy of what the processor was given so far.
func (r *Recorder) Deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.deliveries)
}

// Read returns the body of a document, and false where the sink has none or had
// it deleted.
func (r *Recorder) Read(id string) (json.RawMessage, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.rows[id]
	return have.body, ok && !have.deleted
}

// Wait blocks until the deliveries satisfy enough, or ctx ends.
func (r *Recorder) Wait(ctx context.Context, enough func([]Delivery) bool) error {
	for {
		r.mu.Lock()
		changed, ok := r.changed, enough(r.deliveries)
		n := len(r.deliveries)
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for deliveries to %s, which had %d: %w", r.name, n, ctx.Err())
		}
	}
}
