package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pglogrepl"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// assembler folds the rows of a transaction into one document each and puts them
// into the queue: when the transaction has been read, or in pieces where it is
// too large to hold. What it puts depends on the log and the routes alone, so a
// replay gives the same positions.
type assembler struct {
	epoch          uint32
	pieceDocuments int
	pieceBytes     int
	ordered        bool // the routes have orders
	routes         map[TableName]*route
	// routed has the route that a table has had, by its OID.
	routed map[uint32]TableName
	// names returns what a table is called now, by its OID, and then the tables
	// that it is a part of, the nearest first.
	names func(ctx context.Context, oid uint32, announced TableName) ([]TableName, error)
	// detached reports whether a table without a route has ceased to be a part of
	// one that still has the route.
	detached func(ctx context.Context, oid uint32, from TableName) (bool, error)
	// columns returns the columns that a published table has now, in their order;
	// none where its published columns may have been others than these.
	columns  func(ctx context.Context, oid uint32) ([]presentColumn, error)
	queue    *queue
	replay   *replay
	xids     *xidClock
	messages *messages
	counters *counters
	log      *slog.Logger

	relations map[uint32]*relation
	tx        transaction
	docs      *documents
	row       pgoutput.Update // the row at hand, as an update
	id, oldID []byte          // scratch
}

// transaction is the one that is being read.
type transaction struct {
	open    bool
	lsn     uint64 // of its commit record
	xid     uint64
	emitted uint64 // documents in earlier pieces
	bytes   int    // of the texts read from its rows and messages since the last piece

	suppressed bool // a message has asked for it: documents touched from now on yield nothing
}

// open reports whether a transaction has begun and its end has not been read.
func (a *assembler) open() bool { return a.tx.open }

// handle takes the next message. Errors are final, but for ctx's.
func (a *assembler) handle(ctx context.Context, m *pgoutput.Message) error {
	switch m.Kind {
	case pgoutput.KindBegin:
		return a.begin(ctx, &m.Begin)
	case pgoutput.KindCommit:
		return a.commit(ctx, &m.Commit)
	case pgoutput.KindRelation:
		return a.relation(ctx, &m.Relation)
	case pgoutput.KindInsert:
		a.row = pgoutput.Update{RelationID: m.Insert.RelationID, New: m.Insert.New}
		return a.change(ctx, Insert)
	case pgoutput.KindUpdate:
		a.row = m.Update
		return a.change(ctx, Update)
	case pgoutput.KindDelete:
		a.row = pgoutput.Update{RelationID: m.Delete.RelationID, OldKind: m.Delete.OldKind, Old: m.Delete.Old}
		return a.change(ctx, Delete)
	case pgoutput.KindTruncate:
		return a.truncate(&m.Truncate)
	case pgoutput.KindMessage:
		if err := a.message(&m.Logical); err != nil {
			return err
		}
		return a.cut(ctx)
	case pgoutput.KindType, pgoutput.KindOrigin:
		return nil // types do not matter to texts, nor where a transaction comes from
	default:
		return fmt.Errorf("%w: unexpected %s message", ErrProtocol, m.Kind)
	}
}

func (a *assembler) begin(ctx context.Context, m *pgoutput.Begin) error {
	if a.tx.open {
		return fmt.Errorf("%w: transaction at %s begins before that at %s has ended", ErrProtocol, pglogrepl.LSN(m.FinalLSN), pglogrepl.LSN(a.tx.lsn))
	}
	if _, err := changefeed.LogVersion(a.epoch, m.FinalLSN); err != nil {
		return err
	}
	xid, err := a.xids.extend(ctx, m.XID)
	if err != nil {
		return err
	}
	a.tx = transaction{open: true, lsn: m.FinalLSN, xid: xid}
	return nil
}

func (a *assembler) commit(ctx context.Context, m *pgoutput.Commit) error {
	if !a.tx.open || m.CommitLSN != a.tx.lsn {
		return fmt.Errorf("%w: commit at %s does not end the transaction at %s", ErrProtocol, pglogrepl.LSN(m.CommitLSN), pglogrepl.LSN(a.tx.lsn))
	}
	if err := a.emit(ctx); err != nil {
		return err
	}
	if err := a.passed(m.EndLSN, a.tx.emitted > 0); err != nil {
		return err
	}
	a.tx = transaction{}
	a.counters.transactions.Add(1)
	return nil
}

// cut emits a piece where the transaction has become too large to hold.
func (a *assembler) cut(ctx context.Context) error {
	if len(a.docs.list) < a.pieceDocuments && a.tx.bytes < a.pieceBytes {
		return nil
	}
	return a.emit(ctx)
}

// passed takes the end of a transaction, or of the log outside of one: everything
// before it has been put into the queue.
func (a *assembler) passed(end uint64, documents bool) error {
	known, err := a.replay.passes(end)
	switch {
	case err != nil:
		return err
	case !known: // a later end stands for this one too
	case documents:
		a.queue.commit(end)
	default:
		a.queue.mark(end)
	}
	return nil
}

// emit numbers the documents held so far and puts them into the queue: all of a
// transaction, or a piece of it.
func (a *assembler) emit(ctx context.Context) error {
	if a.ordered {
		a.docs.sort()
	}
	for i := range a.docs.list {
		doc := &a.docs.list[i]
		doc.lsn, doc.xid, doc.ordinal = a.tx.lsn, a.tx.xid, a.tx.emitted
		doc.lookup = doc.lookup && !doc.suppressed
		a.tx.emitted++
	}
	if err := a.recognize(); err != nil {
		return err
	}
	err := a.queue.put(ctx, a.docs.list, a.docs.text)
	a.docs.reset()
	a.tx.bytes = 0
	return err
}

// recognize finds the documents whose changes are in the topics already. They go
// through the queue like all others, because lookups have to see their
// transactions, and need no lookup of their own.
func (a *assembler) recognize() error {
	for i := 0; i < len(a.docs.list) && !a.replay.over; i++ {
		doc := &a.docs.list[i]
		present, err := a.replay.holds(place{lsn: doc.lsn, ordinal: doc.ordinal})
		if err != nil {
			return err
		}
		if present {
			doc.present, doc.lookup = true, false
		}
	}
	return nil
}

// relation compiles the route of a table, or compiles it again after its
// definition has changed.
func (a *assembler) relation(ctx context.Context, m *pgoutput.Relation) error {
	r, err := a.routeOf(ctx, m)
	if err != nil {
		return err
	}
	switch had, ok := a.routed[m.ID]; {
	case r != nil:
		a.routed[m.ID] = r.table.Name
	case ok:
		if err := a.unrouted(ctx, m, had); err != nil {
			return err
		}
	case a.relations[m.ID] == nil:
		a.log.Warn("table has no route, its rows are ignored: add a route, or take it out of the publication",
			"table", relationName(m).SQL())
	}
	rel, err := a.compile(ctx, m, r)
	if err != nil {
		return a.located(err)
	}
	a.relations[m.ID] = rel
	return nil
}

// unrouted judges a table that has had a route and has none: renamed, it stops the
// publisher. A part that was detached is no part of any document any more, which
// is all that its former route can say.
func (a *assembler) unrouted(ctx context.Context, m *pgoutput.Relation, had TableName) error {
	detached, err := a.detached(ctx, m.ID, had)
	if err != nil {
		return err
	}
	if !detached {
		return a.located(&UnroutedError{Table: had, Relation: relationName(m)})
	}
	delete(a.routed, m.ID)
	a.log.Warn("table was detached from one that is routed: its rows are ignored from here on, and no change says that its documents are gone; "+
		"take it out of the publication with \"changefeed init\", and empty what pillows wrote of its documents",
		"table", relationName(m).SQL(), "from", had.SQL(), "lsn", pglogrepl.LSN(a.tx.lsn).String())
	return nil
}

// routeOf returns the route of a table, nil where there is none: that of the name
// it had where the log is being read, else of its name now, else of the nearest
// table that it is a part of. The log goes on naming a table as it
// was, so the name now is what makes a table readable again that was renamed, and
// then renamed back or given a route under its new name.
func (a *assembler) routeOf(ctx context.Context, m *pgoutput.Relation) (*route, error) {
	announced := relationName(m)
	if r := a.routes[announced]; r != nil {
		return r, nil
	}
	names, err := a.names(ctx, m.ID, announced)
	if err != nil {
		return nil, err
	}
	return firstRoute(a.routes, names), nil
}

// truncate reports a TRUNCATE, which names no rows.
func (a *assembler) truncate(m *pgoutput.Truncate) error {
	for _, id := range m.RelationIDs {
		rel := a.relations[id]
		if rel == nil {
			return fmt.Errorf("%w: truncate of relation %d, which was not announced", ErrProtocol, id)
		}
		if rel.route == nil {
			continue
		}
		a.counters.truncates.Add(1)
		a.log.Warn("table was truncated, and no change names its rows: empty what its pillows wrote of it, and set their consumer groups back to the first offset",
			"table", rel.name.SQL(), "lsn", pglogrepl.LSN(a.tx.lsn).String())
	}
	return nil
}

// located adds the place in the log to an error that has one.
func (a *assembler) located(err error) error {
	if e, ok := errors.AsType[*ColumnError](err); ok {
		e.LSN = a.tx.lsn
	}
	if e, ok := errors.AsType[*IdentityError](err); ok {
		e.LSN = a.tx.lsn
	}
	if e, ok := errors.AsType[*UnsentError](err); ok {
		e.LSN = a.tx.lsn
	}
	if e, ok := errors.AsType[*UnroutedError](err); ok {
		e.LSN = a.tx.lsn
	}
	return err
}
