package cdc

import (
	"context"
	"log/slog"
	"net"

	"changefeed"
)

// Sink is what a publisher publishes to: one for each replication session, so
// that nothing of a session that was lost is sent after the next one began.
type Sink interface {
	changefeed.Sink
	// Offsets returns places in the topics: of each partition that records of a
	// batch at or below the floor were written to, one past the last of them. Of
	// other partitions it returns 0, or nothing.
	Offsets() changefeed.Offsets
	// Close drops what is not acknowledged yet.
	Close()
}

// ParentLookup reads the rows of one parent table, for changes of satellites
// whose parent's row is not in the same transaction.
type ParentLookup interface {
	// Columns returns, for each document id, the text of the columns of its row
	// as the server's output functions write it, or nil where there is no such
	// row; a row of no columns is empty, not nil. It reads in a snapshot in which
	// everything of at is visible, and waits for that. Texts must not depend on
	// a role's settings: see the package documentation. After an error the call
	// is repeated until it is answered; one that is the server's (*pgconn.PgError)
	// and does not pass by itself is reported with a remedy.
	Columns(ctx context.Context, at Seen, ids, columns []string) ([][]changefeed.Text, error)
}

// Seen names what a lookup has to see: the transactions that touched documents of
// its table and were streamed since the last lookup, which saw those before.
type Seen struct {
	Source string
	Epoch  uint32
	XIDs   []uint64 // 64-bit, distinct, ascending; at most 16,384
	LSN    uint64   // the highest start of their commit records
}

// Deps are what a publisher works with.
type Deps struct {
	// OpenSink makes the sink of a session. Required.
	OpenSink func(changefeed.Acked) (Sink, error)
	// Parents has a lookup for each table that is a parent of satellites. Of
	// another table it serves for columns that an update does not send.
	Parents map[TableName]ParentLookup
	// Checkpoints and Tails let a session begin where the one before has ended,
	// whatever became of that. Without both it begins where the slot says, with
	// Config.Epoch, and what was published beyond that is published again.
	Checkpoints Checkpoints
	Tails       Tails
	// Dial opens the network connections to the server. Default: that of a
	// [net.Dialer], with keepalives and a limit to how long the server's machine
	// may leave what is written without an acknowledgement.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Log is required.
	Log *slog.Logger
}
