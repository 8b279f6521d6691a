package cdc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pglogrepl"

	"changefeed/cdc/internal/advice"
	"changefeed/cdc/internal/sqlstate"
)

// Errors of [Publisher.Run] that a caller may want to tell apart.
var (
	// ErrUnreachable: Config.StartupTimeout is over and the publisher has not
	// come as far as its slot once.
	ErrUnreachable = errors.New("source cannot be reached")
	// ErrSlotInUse: another process reads the slot, and Config.NoWait is set.
	ErrSlotInUse = errors.New("replication slot is in use")
	// ErrSlotMissing: the slot does not exist. A *SlotLostError wraps it.
	ErrSlotMissing = errors.New("replication slot does not exist")
	// ErrPublicationMissing: a publication does not exist now, or did not where
	// the log is being read.
	ErrPublicationMissing = errors.New("publication does not exist")
	// ErrProtocol: the server sent what the replication protocol does not allow
	// or this package does not know. It is never skipped.
	ErrProtocol = errors.New("replication stream cannot be read")
	// ErrDrain: Config.DrainTimeout is over, or the drain failed otherwise.
	// What was left is published again by the next run.
	ErrDrain = errors.New("not everything was acknowledged")
)

// ColumnError says that a table's rows come without a column that its route
// reads.
type ColumnError struct {
	Table    TableName // the route
	Relation TableName // the table, or the partition of it, that sent the rows
	Column   string
	// Published are the columns that the rows come with.
	Published []string
	LSN       uint64 // where the log was being read
}

// Error names the remedy.
func (e *ColumnError) Error() string {
	return fmt.Sprintf("route %s at %s: column %q is not among the published columns of %s (%s): if it was renamed, "+
		"change its name in the route to the new one and restart; else name another column, or add it with \"changefeed init\" "+
		"or ALTER PUBLICATION … SET TABLE; nothing from here on is acknowledged meanwhile",
		e.Table, pglogrepl.LSN(e.LSN), e.Column, e.Relation.SQL(), strings.Join(e.Published, ", "))
}

// IdentityError says that a row was deleted, and its old tuple does not tell
// which document that was.
type IdentityError struct {
	Table    TableName
	Relation TableName
	Columns  []string // of the document id
	LSN      uint64
}

// Error names the remedy.
func (e *IdentityError) Error() string {
	table := e.Relation.SQL()
	return fmt.Sprintf("route %s at %s: a deletion of %s does not carry %s, because the replica identity leaves it out: "+
		"\"changefeed init\" sets one, or CREATE UNIQUE INDEX CONCURRENTLY … ON %s (%s) and ALTER TABLE %s REPLICA IDENTITY USING INDEX …; "+
		"deletions before that cannot be published: to pass over this transaction as a whole, run SELECT pg_replication_slot_advance(…, '%s'::pg_lsn + 1) "+
		"with the slot's name, and touch the other rows that it wrote again (UPDATE … SET id = id)",
		e.Table, pglogrepl.LSN(e.LSN), table, strings.Join(e.Columns, ", "), table, QuoteIdents(e.Columns), table, pglogrepl.LSN(e.LSN))
}

// UnsentError says that an update did not send a column that the route needs,
// because it is stored out of line and was not touched.
type UnsentError struct {
	Table    TableName
	Relation TableName
	Column   string
	LSN      uint64
}

// Error names the remedy.
func (e *UnsentError) Error() string {
	return fmt.Sprintf("route %s at %s: an update of %s does not send column %q, which is stored out of line: "+
		"take the column out of the route, or publish the table with a list of short columns (PostgreSQL 15 or later)",
		e.Table, pglogrepl.LSN(e.LSN), e.Relation.SQL(), e.Column)
}

// UnroutedError says that a table whose rows were published has no route any
// more: it, or the table that it is a part of, was renamed or moved to another
// schema while its publication followed it.
type UnroutedError struct {
	Table    TableName // the route that it had
	Relation TableName // its name where the log was being read
	LSN      uint64
}

// Error names the remedy.
func (e *UnroutedError) Error() string {
	return fmt.Sprintf("route %s at %s: its rows come from a table named %s, which has no route: "+
		"rename it back (%s), or change the route to %s, and restart; nothing from here on is acknowledged meanwhile",
		e.Table, pglogrepl.LSN(e.LSN), e.Relation.SQL(), renameBack(e.Relation, e.Table), e.Relation.SQL())
}

// renameBack returns the SQL that gives a table an earlier name.
func renameBack(now, before TableName) string {
	var statements []string
	if now.Schema != before.Schema {
		statements = append(statements, "ALTER TABLE "+now.SQL()+" SET SCHEMA "+QuoteIdent(before.Schema))
		now.Schema = before.Schema
	}
	if now.Name != before.Name {
		statements = append(statements, "ALTER TABLE "+now.SQL()+" RENAME TO "+QuoteIdent(before.Name))
	}
	return strings.Join(statements, "; ")
}

// interruption is an error after which a session ends and the next one begins
// from what the server was told, without limit.
type interruption struct {
	waits string // what the publisher waits for then: server, sink
	err   error
}

func (e *interruption) Error() string { return e.err.Error() }
func (e *interruption) Unwrap() error { return e.err }

// interrupts reports whether an error is an interruption.
func interrupts(err error) bool {
	_, ok := errors.AsType[*interruption](err)
	return ok
}

func serverLost(err error) error { return &interruption{waits: "server", err: err} }
func sinkFailed(err error) error { return &interruption{waits: "sink", err: err} }

// Passes reports whether an error of connecting, or of what follows on the
// connection, goes away by itself: the network's, but for certificates that are
// not accepted, and those of a server that is busy, starting or stopping.
func Passes(err error) bool {
	if advice.TLS(err) != "" {
		return false
	}
	code := sqlstate.Of(err)
	if len(code) < 2 {
		return true
	}
	switch code[:2] {
	case sqlstate.ClassConnection, sqlstate.ClassRollback, sqlstate.ClassNoResources, sqlstate.ClassIntervention, sqlstate.ClassSystem:
		return true
	default:
		return false
	}
}

// replaceSlot says how to begin anew where a slot cannot be read on.
func replaceSlot(slot string) string {
	return "run SELECT pg_drop_replication_slot('" + slot + "'), then \"changefeed init\"; " + advice.MissedChanges
}

// explainLookup says what to do about a lookup that does not succeed by itself,
// or nothing where it may.
func explainLookup(err error, r *route) string {
	if Passes(err) {
		return ""
	}
	table := r.table.Name.SQL()
	switch sqlstate.Of(err) {
	case sqlstate.Privilege:
		columns := QuoteIdents(r.table.Columns())
		return fmt.Sprintf("run, with the role of dsn: GRANT SELECT (%s) ON %s TO …; and, if its schema is the reason, GRANT USAGE ON SCHEMA %s TO …",
			columns, table, QuoteIdent(r.table.Name.Schema))
	case sqlstate.UndefinedTable, sqlstate.UndefinedColumn:
		return "give " + table + " the name and columns back that its route has, or correct the route and restart"
	default:
		return "\"changefeed check\" tells whether the route of " + table + " fits the table; nothing from here on is acknowledged meanwhile"
	}
}

// explainStart says what to do about a slot that cannot be read.
func explainStart(err error, slot string) error {
	switch sqlstate.Of(err) {
	case sqlstate.NotPrerequisite:
		return fmt.Errorf("start replication: slot %s: %w: \"changefeed check\" tells what the server lacks", slot, err)
	default:
		return fmt.Errorf("start replication: slot %s: %w", slot, advice.Connect(err))
	}
}

// explainStream says what to do about an error that the server met while it was
// decoding.
func explainStream(err error, slot string) error {
	if sqlstate.Of(err) == sqlstate.UndefinedObject {
		return fmt.Errorf("read replication stream: %w: %w: it must have existed before the slot and must not be dropped: %s",
			ErrPublicationMissing, err, replaceSlot(slot))
	}
	return fmt.Errorf("read replication stream: %w", err)
}
