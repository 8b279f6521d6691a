package cdc

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"changefeed"
)

// publishChanges is how many changes go to the sink in one call at most.
const publishChanges = 512

// outlet is the publishing stage of a session: it takes batches from the queue,
// looks parents up, writes changes out and gives them to the sink. It may wait
// as long as sink and lookups make it.
type outlet struct {
	source   string
	epoch    uint32
	queue    *queue
	window   *window
	sink     changefeed.Sink
	limit    int // of changes in one call of Publish
	parents  *parents
	saver    *saver // nil where checkpoints are not saved
	counters *counters

	batch   batch
	changes []changefeed.Change
	seq     uint64 // of the last call of Publish
	given   uint64 // changes given to the sink
	through place  // the last document that has entered the window
	mark    int    // of batch.marks: the next one to enter the window
}

// run publishes until the queue is closed and everything in it has been
// acknowledged.
func (o *outlet) run(ctx context.Context) error {
	for {
		more, err := o.queue.take(ctx, &o.batch)
		if err != nil {
			return err
		}
		if !more {
			return o.window.room(ctx, 1)
		}
		if err := o.publish(ctx); err != nil {
			return err
		}
	}
}

// publish gives the batch to the sink.
func (o *outlet) publish(ctx context.Context) error {
	if err := o.parents.resolve(ctx, &o.batch); err != nil {
		return err
	}
	text := string(o.batch.text) // the changes' strings are cut from this one copy
	var now time.Time
	o.mark = 0
	o.changes = o.changes[:0]
	for i := range o.batch.documents {
		doc := &o.batch.documents[i]
		switch {
		case doc.present:
			o.counters.skipped.Add(1)
			continue
		case doc.gone:
			o.counters.parentsGone.Add(1)
			continue
		}
		if doc.suppressed {
			o.counters.suppressed.Add(1)
			continue
		}
		if len(o.changes) == 0 {
			now = time.Now().UTC()
		}
		c, err := o.change(doc, text, now)
		if err != nil {
			return err
		}
		o.changes = append(o.changes, c)
		if len(o.changes) < o.limit {
			continue
		}
		if err := o.send(ctx, i+1); err != nil {
			return err
		}
	}
	return o.send(ctx, len(o.batch.documents))
}

// send gives the changes at hand to the sink. They are those of the batch's
// first so many documents that were not sent before. They enter the window first.
func (o *outlet) send(ctx context.Context, documents int) error {
	n := len(o.changes)
	if n > 0 {
		if err := o.room(ctx); err != nil {
			return err
		}
		o.seq++
		o.given += uint64(n)
	}
	p := published{seq: o.seq, changes: n, through: o.through}
	if documents > 0 {
		last := &o.batch.documents[documents-1]
		p.through = place{lsn: last.lsn, ordinal: last.ordinal}
	}
	for ; o.mark < len(o.batch.marks) && o.batch.marks[o.mark].documents <= documents; o.mark++ {
		m := &o.batch.marks[o.mark]
		p.lsn, p.commit = m.lsn, max(p.commit, m.commit)
	}
	if n > 0 || p.lsn > 0 || p.through != o.through {
		o.window.add(p)
		o.through = p.through
	}
	if n == 0 {
		return nil
	}
	o.counters.published.Add(uint64(n))
	if err := o.sink.Publish(ctx, o.seq, o.changes); err != nil {
		return sinkFailed(err)
	}
	o.changes = o.changes[:0]
	return nil
}

// room waits until more may be published.
func (o *outlet) room(ctx context.Context) error {
	if err := o.window.room(ctx, windowBatches); err != nil {
		return err
	}
	if o.saver == nil {
		return nil
	}
	return o.saver.room(ctx, o.given)
}

// change writes a document's change out.
func (o *outlet) change(doc *document, text string, now time.Time) (changefeed.Change, error) {
	r := doc.route
	version, err := changefeed.LogVersion(o.epoch, doc.lsn)
	if err != nil {
		return changefeed.Change{}, err
	}
	c := changefeed.Change{
		Topic:    r.table.Topic,
		Position: changefeed.Position{Source: o.source, Epoch: o.epoch, LSN: doc.lsn, Ordinal: doc.ordinal},
		Version:  version,
		XID:      doc.xid,
		Meta: changefeed.Meta{
			DocumentID:          textOf(doc.id, text).String,
			DataSourceType:      doc.sourceType(text),
			DataSourceName:      r.sourceName,
			Domain:              doc.value(&r.table.Domain, r.domain, text),
			DocumentType:        doc.value(&r.table.DocumentType, r.docType, text),
			DocumentSubtype:     doc.value(&r.table.DocumentSubtype, r.docSubtype, text),
			IsDeletion:          doc.deleted,
			PublishTimestamp:    now,
			OriginalPublication: now,
		},
	}
	if r.foreign {
		c.Meta.DataSourceName, c.Meta.DocumentID = splitForeign(c.Meta.DocumentID)
	}
	if r.deletion >= 0 && !doc.deleted {
		c.Meta.IsDeletion, err = r.table.Deleted.Holds(textOf(doc.values[r.deletion], text))
		if err != nil {
			return c, fmt.Errorf("route %s at %s, document %q: deleted: %w", r.table.Name, pglogrepl.LSN(doc.lsn), c.Meta.DocumentID, err)
		}
	}
	return c, nil
}

// value applies a route's rule to the document's text in attribute at. What is
// not known is null: a rule's default stands for a value that the row has.
func (d *document) value(v *Value, at int, text string) changefeed.Text {
	switch {
	case at < 0:
		return v.Constant
	case d.values[at].length == spanUnknown:
		return changefeed.Text{}
	default:
		return v.Of(textOf(d.values[at], text))
	}
}

// sourceType is that of PostgreSQL unless a message gave another.
func (d *document) sourceType(text string) string {
	if d.route.sourceType < 0 {
		return changefeed.SourceTypeSQL
	}
	return textOf(d.values[d.route.sourceType], text).Or(changefeed.SourceTypeSQL)
}

// textOf cuts a span out of its text.
func textOf(s span, text string) changefeed.Text {
	if s.length < 0 {
		return changefeed.Text{}
	}
	return changefeed.NewText(text[s.start : int(s.start)+int(s.length)])
}
