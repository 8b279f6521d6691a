// Package postgres is a document store over the rows of one PostgreSQL table,
// of any application: a document is its row, as to_jsonb writes it.
//
// # Queries
//
// A batch is one statement, whatever the number of ids: `= ANY` for an id made
// of one column, IN over the unnested parts for one made of several. Ids
// are sent as text and cast to the columns' types, without their lengths (a cast
// to varchar(3) would cut an id short), so that the index of the columns is
// used. The types are read from the catalogue at first use, and again after an
// error that a changed table would explain.
//
// A row finds its way back to its id by the text of its id columns, as the
// types' output functions write it: that is what the log carries and so what the
// ids of changes are made of. Casts to text will not do: of a boolean they make
// "true" where the log has "t", and of char(n) they drop the padding. Because
// output functions follow the session's settings, the pools must come from
// [ConnConfig]. An id that is not in that form, such as "007" for an integer, is
// the id of no document.
//
// An id that does not convert to its column's type would fail the statement for
// all: such a batch is cut in halves until the id stands alone. The same goes for
// a row that to_jsonb refuses. Both are [docstore.ErrConvert].
//
// # Visibility
//
// What must be visible is known from the horizon, what is visible depends on the
// server. Both statements of a look, the check and the rows, travel in one round
// trip. The isolation level is READ COMMITTED, where every statement takes a
// snapshot of its own: that of the rows is later than that of the check, and so
// has everything that the check found visible.
//
// On a server that is not in recovery, each transaction of the horizon must be
// visible in the check's snapshot (pg_visible_in_snapshot). The highest one does
// not answer for the others: transactions commit in any order. A committed
// transaction is invisible for as long as it takes the session to leave the list
// of running ones, after its commit record was written and perhaps sent: for
// microseconds, or for as long as it waits for a synchronous standby.
//
// On a server in recovery the list of running transactions is not where
// pg_visible_in_snapshot looks, and it calls open transactions visible. There the
// log position decides: a position of the horizon is the start of a commit
// record, and pg_last_wal_replay_lsn() is the end of the last record replayed.
// Records do not overlap and are replayed in order, so an end greater than the
// start of a record is the end of that record or of a later one; an end that
// equals it is the end of the record before. The server makes a commit visible
// before it moves that position.
//
// Promotion between the statements is harmless: a server that says it is not in
// recovery has replayed all it will ever replay, before the rows' snapshot.
//
// A replica is looked at once, and only for a horizon that says how far it must
// have replayed. Where it does not show that, or cannot be read, the primary is
// asked, which is looked at again after growing pauses until
// [Config.VisibilityWait] has passed. Then the batch fails with
// [docstore.ErrNotVisible]; an older row is never given.
//
// A horizon of an older epoch than the source's waits for nothing, on the
// primary: what that epoch committed is either visible there or gone for good,
// and its transaction ids say nothing about this epoch's. The source's epoch is
// the highest that is known: what its publisher has saved, and what horizons have
// shown. Where it is not known that an epoch is over, its transaction ids can lie
// in the future of this server. So where a horizon does not become visible, the
// epoch is asked for again before the batch fails. Changes without a position, or
// without a transaction id, are waited for as far as the others of their batch go.
//
// # Row-level security
//
// A row that a policy hides would pass for a document that does not exist. The
// sessions of [ConnConfig] therefore run with row_security=off, under which the
// server refuses such a query.
package postgres
