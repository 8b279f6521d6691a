package pillows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"changefeed"
	"changefeed/docstore"
)

// settleMissingAfter is how old a change without a position must be before its
// missing document is taken for gone. Nobody knows what such a change waits for;
// a writer that publishes before it commits is a minute late at most.
const settleMissingAfter = time.Minute

// sourceRead is one bulk read: the unread items of one data source.
type sourceRead struct {
	store docstore.Store
	items []int
	ids   []string
	at    docstore.Horizon
}

// read reads documents of a chunk that have not been read yet, with one bulk read
// for each data source, and settles the changes that have none. It reports whether
// there are more, for which there was no room.
func (w *worker) read(ctx context.Context, c *chunk) (t trouble, more bool) {
	reads, more, t := w.plan(c)
	for _, r := range reads {
		if c.held() >= docstore.MaxBytes {
			return t, true
		}
		results, err := w.readSource(ctx, r)
		if err != nil {
			for _, i := range r.items {
				c.reads[i] = stalled
			}
			t.worse(trouble{
				err:    fmt.Errorf("read documents: %w", err),
				change: c.newest[r.items[0]],
				quiet:  errors.Is(err, docstore.ErrNotVisible),
			})
			continue
		}
		for k, i := range r.items {
			if errors.Is(results[k].Err, docstore.ErrNotRead) {
				more = true
				continue
			}
			t.worse(w.take(c, i, &results[k]))
		}
	}
	return t, more
}

// readSource does one bulk read, and goes by what it gave to choose how many
// documents to ask for the next time: what a store has to leave for lack of room
// has come all the way from its disk.
func (w *worker) readSource(ctx context.Context, r *sourceRead) ([]docstore.Result, error) {
	results, err := r.store.GetMany(ctx, r.at, r.ids)
	if err != nil {
		return nil, err
	}
	if len(results) != len(r.ids) {
		return nil, fmt.Errorf("the document store gave %d results for %d ids", len(results), len(r.ids))
	}
	answered := 0
	for i := range results {
		if !errors.Is(results[i].Err, docstore.ErrNotRead) {
			answered++
		}
	}
	switch answered {
	case 0:
		return nil, fmt.Errorf("the document store left all of %d documents for another read", len(r.ids))
	case w.atOnce:
		w.atOnce = min(w.atOnce+1+w.atOnce/4, docstore.MaxBatch)
	case len(r.ids): // there were no more
	default:
		w.atOnce = answered
	}
	return results, nil
}

// plan groups unread items of a chunk by data source, and reports whether there
// are more than should be asked for at once.
func (w *worker) plan(c *chunk) (reads []*sourceRead, more bool, t trouble) {
	type source struct{ kind, name string }
	bySource := make(map[source]*sourceRead)
	for i, state := range c.reads {
		if state != unread {
			continue
		}
		change := &c.items[i].Change
		key := source{change.Meta.DataSourceType, change.Meta.DataSourceName}
		r := bySource[key]
		if r == nil {
			store, err := w.pillow.stores.Lookup(&change.Meta)
			if err != nil {
				c.reads[i] = stalled
				t.worse(trouble{err: err, change: c.newest[i]})
				continue
			}
			r = &sourceRead{store: store, at: make(docstore.Horizon)}
			bySource[key] = r
			reads = append(reads, r)
		}
		if len(r.items) == w.atOnce {
			more = true
			continue
		}
		r.items = append(r.items, i)
		r.ids = append(r.ids, change.Meta.DocumentID)
		r.at.Add(change)
	}
	return reads, more, t
}

// take notes what a read gave for item i.
func (w *worker) take(c *chunk, i int, r *docstore.Result) trouble {
	item := &c.items[i]
	switch {
	case r.Err == nil:
		item.Document = r.Document
		c.reads[i] = ready
	case errors.Is(r.Err, docstore.ErrDeleted):
		// The store knows of the deletion before its change has come, or instead
		// of it. The sink is told at once, under this change's version: the label
		// is not newer than the content, and a later change of the document still
		// wins.
		item.Change.Meta.IsDeletion = true
		c.reads[i] = ready
	case errors.Is(r.Err, docstore.ErrNotFound) && w.surelyGone(c, i):
		c.reads[i] = gone
		c.ledger.settle(c.newest[i], Superseded)
	default:
		c.reads[i] = stalled
		return trouble{
			err:    fmt.Errorf("read document: %w", r.Err),
			change: c.newest[i],
			quiet:  errors.Is(r.Err, docstore.ErrNotFound),
		}
	}
	return trouble{}
}

// surelyGone reports whether a document that was not found will not appear. With
// a position the read has seen the transaction of the change: the document was
// deleted since, and its deletion follows. Without one it may come yet.
func (w *worker) surelyGone(c *chunk, i int) bool {
	change := &c.items[i].Change
	if !change.Position.IsZero() {
		return true
	}
	age := time.Since(change.Meta.PublishTimestamp)
	if age < settleMissingAfter {
		return false
	}
	w.warnMissing(change, c.places[c.newest[i]].offset, age)
	return true
}

func (w *worker) warnMissing(change *changefeed.Change, offset int64, age time.Duration) {
	w.log.Warn("document not found long after its change, which has no position: taken as superseded",
		"offset", offset, "document_id", change.Meta.DocumentID, "data_source", change.Meta.DataSourceName, "age", age.Round(time.Second))
}
