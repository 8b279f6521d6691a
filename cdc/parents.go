package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"changefeed"
)

// lookupIDs bounds one lookup.
const lookupIDs = 500

// lookupXIDs bounds the transactions that one lookup has to see.
const lookupXIDs = 16_384

// parentsAgain is how often a lookup that goes on failing is said again.
const parentsAgain = 30 * time.Second

// parents fills in what satellites' transactions do not say of their documents.
type parents struct {
	source   string
	epoch    uint32
	routes   []*parent
	counters *counters
	log      *slog.Logger
}

// parent is the lookup of one route.
type parent struct {
	route *route
	// xids and lsn are of the transactions that touched documents of the route
	// and were streamed since the last lookup: what that one saw, all later ones
	// see as well. Other transactions do not matter to the rows that are read.
	xids []uint64
	lsn  uint64
}

func newParents(cfg *Config, epoch uint32, routes map[TableName]*route, c *counters, log *slog.Logger) *parents {
	p := &parents{source: cfg.Source, epoch: epoch, counters: c, log: log}
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

// resolveRoute looks up in slices: a slice ends where it has as many documents,
// or has to see as many transactions, as one lookup may. Each sees those of its
// own documents and of all before them that no lookup has seen, so no parent is
// called gone that is not there yet. Where there is no document to look up, the
// one at hand is, for the sake of its transactions alone.
func (p *parents) resolveRoute(ctx context.Context, b *batch, parent *parent) error {
	var wanted []int // places in b.documents
	for i := range b.documents {
		doc := &b.documents[i]
		if doc.route.group != parent.route.group {
			continue
		}
		parent.streamed(doc)
		if doc.lookup && doc.route.reads() == parent.route {
			wanted = append(wanted, i)
		}
		if len(wanted) < lookupIDs && len(parent.xids) < lookupXIDs {
			continue
		}
		if len(wanted) == 0 {
			if _, err := p.ask(ctx, b, parent, []int{i}); err != nil {
				return err
			}
		} else if err := p.lookUp(ctx, b, parent, wanted); err != nil {
			return err
		}
		wanted = wanted[:0]
	}
	if len(wanted) == 0 {
		return nil
	}
	return p.lookUp(ctx, b, parent, wanted)
}

// streamed notes the transaction of a document. Those of one transaction follow
// each other.
func (p *parent) streamed(doc *document) {
	p.lsn = max(p.lsn, doc.lsn)
	if n := len(p.xids); n == 0 || p.xids[n-1] != doc.xid {
		p.xids = append(p.xids, doc.xid)
	}
}

// lookUp reads the rows of some documents and puts their values in.
func (p *parents) lookUp(ctx context.Context, b *batch, parent *parent, places []int) error {
	rows, err := p.ask(ctx, b, parent, places)
	if err != nil {
		return err
	}
	for i, place := range places {
		doc := &b.documents[place]
		message := doc.route != parent.route
		if rows[i] == nil {
			doc.gone = !message // else what the message said is published
			continue
		}
		if message {
			doc.route, doc.deleted = parent.route, false
		}
		for j, value := range rows[i] {
			if doc.values[j] = (span{length: spanNull}); value.Valid {
				b.text, doc.values[j] = appendSpan(b.text, []byte(value.String))
			}
		}
	}
	return nil
}

// ask reads the rows of some documents, and sees the transactions noted so far.
// It asks until it is answered, or ctx ends: what is not known cannot be
// published, and what is not published must not be passed.
func (p *parents) ask(ctx context.Context, b *batch, parent *parent, places []int) ([][]changefeed.Text, error) {
	at := Seen{Source: p.source, Epoch: p.epoch, LSN: parent.lsn, XIDs: slices.Clone(parent.xids)}
	slices.Sort(at.XIDs)
	at.XIDs = slices.Compact(at.XIDs)
	ids := make([]string, len(places))
	for i, place := range places {
		ids[i] = string(b.documents[place].id.of(b.text))
	}
	r := parent.route
	trouble := parentTrouble{table: r.table.Name.SQL(), counters: p.counters, log: p.log}
	defer trouble.leave()
	for wait := (backoff{}); ; {
		rows, err := r.lookup.Columns(ctx, at, ids, r.attributes)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil:
			trouble.end()
			parent.xids = parent.xids[:0]
			return rows, checkRows(r, rows, ids)
		}
		trouble.say(err, explainLookup(err, r))
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

// parentTrouble reports a lookup that fails, in the log and in the state.
type parentTrouble struct {
	table    string
	counters *counters
	log      *slog.Logger

	said    time.Time
	instead *string // the state before; nil where there is no trouble
	state   *string
}

// say says it again after a while: unlike a server that is away, a lookup may
// need a person.
func (t *parentTrouble) say(err error, remedy string) {
	if t.instead == nil {
		state := "waiting for parents of " + t.table
		t.state = &state
		t.instead = t.counters.state.Swap(t.state)
	} else if time.Since(t.said) < parentsAgain {
		return
	}
	t.said = time.Now()
	args := []any{"table", t.table, "error", err}
	if remedy != "" {
		args = append(args, "remedy", remedy)
	}
	t.log.Warn("parents cannot be looked up, trying again", args...)
}

// end says that the lookup has succeeded.
func (t *parentTrouble) end() {
	if t.instead != nil {
		t.log.Info("parents are looked up again", "table", t.table)
	}
}

// leave takes the state back, unless it is another by now.
func (t *parentTrouble) leave() {
	if t.instead != nil {
		t.counters.state.CompareAndSwap(t.state, t.instead)
	}
}
