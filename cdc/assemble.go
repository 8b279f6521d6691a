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
	routes         map[TableName]*route
	// ancestors returns the partitioned tables that a table is a partition of,
	// by its OID, the nearest first.
	ancestors func(ctx context.Context, oid uint32) ([]TableName, error)
	queue     *queue
	xids      *xidClock
	counters  *counters
	log       *slog.Logger

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
	bytes   int    // of the texts read from its rows since the last piece
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
	case pgoutput.KindType, pgoutput.KindOrigin, pgoutput.KindMessage:
		return nil // types do not matter to texts; origins and messages are nobody's rows
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
	a.queue.mark(m.EndLSN)
	a.tx = transaction{}
	a.counters.transactions.Add(1)
	return nil
}

// emit puts the documents held so far into the queue: all of a transaction, or a
// piece of it.
func (a *assembler) emit(ctx context.Context) error {
	for i := range a.docs.list {
		doc := &a.docs.list[i]
		doc.lsn, doc.xid, doc.ordinal = a.tx.lsn, a.tx.xid, a.tx.emitted
		a.tx.emitted++
	}
	err := a.queue.put(ctx, a.docs.list, a.docs.text)
	a.docs.reset()
	a.tx.bytes = 0
	return err
}

// relation compiles the route of a table, or compiles it again after its
// definition has changed.
func (a *assembler) relation(ctx context.Context, m *pgoutput.Relation) error {
	r, err := a.routeOf(ctx, m)
	if err != nil {
		return err
	}
	if r == nil && a.relations[m.ID] == nil {
		a.log.Warn("table has no route, its rows are ignored: add a route, or take it out of the publication",
			"table", relationName(m).SQL())
	}
	rel, err := compileRelation(m, r)
	if err != nil {
		return a.located(err)
	}
	a.relations[m.ID] = rel
	return nil
}

// routeOf returns the route of a table or of the nearest partitioned table that
// it is a part of, nil where there is none.
func (a *assembler) routeOf(ctx context.Context, m *pgoutput.Relation) (*route, error) {
	if r := a.routes[relationName(m)]; r != nil {
		return r, nil
	}
	ancestors, err := a.ancestors(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	for _, name := range ancestors {
		if r := a.routes[name]; r != nil {
			return r, nil
		}
	}
	return nil, nil
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
		a.log.Warn("table was truncated: no change names its rows, rebuild or reconcile the pillows that read it",
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
	return err
}
