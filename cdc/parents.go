package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"changefeed"
)

// lookupIDs bounds one lookup.
const lookupIDs = 500

// recentXIDs bounds the transactions that one lookup has to see. Older ones are
// taken to be visible: as many have committed since.
const recentXIDs = 16_384

// parents fills in what satellites' transactions do not say of their documents.
type parents struct {
	source string
	epoch  uint32
	routes []*parent
	log    *slog.Logger
}

// parent is the lookup of one route.
type parent struct {
	route *route
	// Transactions streamed since the last lookup: what that one saw, all later
	// ones see as well.
	xids []uint64
	lsn  uint64
}

func newParents(cfg *Config, routes map[TableName]*route, log *slog.Logger) *parents {
	p := &parents{source: cfg.Source, epoch: cfg.Epoch, log: log}
	for i := range cfg.Tables {
		if r := routes[cfg.Tables[i].Name]; r.lookup != nil {
			p.routes = append(p.routes, &parent{route: r})
		}
	}
	return p
}

// resolve looks up the documents of a batch that need it.
func (p *parents) resolve(ctx context.Context, b *batch) error {
	for _, parent := range p.routes {
		if err := p.resolveRoute(ctx, b, parent); err != nil {
			return err
		}
	}
	return nil
}

func (p *parents) resolveRoute(ctx context.Context, b *batch, parent *parent) error {
	var wanted []int // places in b.documents
	for i := range b.documents {
		doc := &b.documents[i]
		parent.streamed(doc)
		if doc.lookup && doc.route == parent.route {
			wanted = append(wanted, i)
		}
	}
	for len(wanted) > 0 {
		n := min(len(wanted), lookupIDs)
		if err := p.lookUp(ctx, b, parent, wanted[:n]); err != nil {
			return err
		}
		wanted = wanted[n:]
		parent.xids = parent.xids[:0]
	}
	return nil
}

// streamed notes the transaction of a document. Those of one transaction follow
// each other.
func (p *parent) streamed(doc *document) {
	p.lsn = max(p.lsn, doc.lsn)
	if n := len(p.xids); n > 0 && p.xids[n-1] == doc.xid {
		return
	}
	if len(p.xids) >= 2*recentXIDs {
		p.xids = p.xids[:copy(p.xids, p.xids[len(p.xids)-recentXIDs:])]
	}
	p.xids = append(p.xids, doc.xid)
}

// lookUp reads the rows of some documents and puts their values in. It asks
// until it is answered, or ctx ends: what is not known cannot be published, and
// what is not published must not be passed.
func (p *parents) lookUp(ctx context.Context, b *batch, parent *parent, places []int) error {
	at := Seen{Source: p.source, Epoch: p.epoch, LSN: parent.lsn, XIDs: slices.Clone(parent.xids)}
	slices.Sort(at.XIDs)
	at.XIDs = slices.Compact(at.XIDs)
	ids := make([]string, len(places))
	for i, place := range places {
		ids[i] = string(b.documents[place].id.of(b.text))
	}
	rows, err := p.ask(ctx, parent.route, at, ids)
	if err != nil {
		return err
	}
	for i, place := range places {
		doc := &b.documents[place]
		doc.gone = rows[i] == nil
		for j, value := range rows[i] {
			if doc.values[j] = (span{length: spanNull}); value.Valid {
				b.text, doc.values[j] = appendSpan(b.text, []byte(value.String))
			}
		}
	}
	return nil
}

// ask repeats a lookup until it succeeds.
func (p *parents) ask(ctx context.Context, r *route, at Seen, ids []string) ([][]changefeed.Text, error) {
	var wait backoff
	for said := false; ; said = true {
		rows, err := r.lookup.Columns(ctx, at, ids, r.attributes)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			return rows, checkRows(r, rows, ids)
		case !said:
			p.log.Warn("parents cannot be looked up, trying again", "table", r.table.Name.SQL(), "error", err)
		}
		if err := sleep(ctx, wait.next()); err != nil {
			return nil, err
		}
	}
}

// checkRows compares the shape of an answer with the question.
func checkRows(r *route, rows [][]changefeed.Text, ids []string) error {
	if len(rows) != len(ids) {
		return fmt.Errorf("look up %s: %d rows for %d ids", r.table.Name, len(rows), len(ids))
	}
	for _, row := range rows {
		if row != nil && len(row) != len(r.attributes) {
			return fmt.Errorf("look up %s: %d columns for %d", r.table.Name, len(row), len(r.attributes))
		}
	}
	return nil
}
