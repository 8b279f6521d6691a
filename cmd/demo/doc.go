// Package demo shows the whole path on real servers, in one process: a private
// PostgreSQL, the embedded broker, a publisher, a pillow that keeps a report
// table, and a writer that plays an application. All but the writer is put
// together from a configuration, as the run command does it.
//
// # The writer
//
// It works on two tables, orders and order_lines, as an application would that
// has never heard of us: several sessions at the same orders, transactions of
// one change and of thousands, inserts, updates, soft and hard deletions mixed in
// one transaction, changes of lines alone, orders deleted and made again in one
// transaction, work undone by ROLLBACK TO SAVEPOINT and by ROLLBACK.
//
// # What is proven
//
// A change is one order in one committed transaction, whatever the transaction
// did to it, so exactly one record is expected of it. Before a transaction is
// committed its id and its orders are noted, and each such pair must get one
// verdict from the pillow:
//
//	noted ─▶ committed ─▶ settled          the time between the last two is the latency
//	  │          └──────▶ lost             no verdict, and none came for the stall timeout
//	  └────▶ forgotten                     the transaction was rolled back
//
// A verdict that no pair waits for is unexpected: a change that was rolled back,
// or never made. A verdict on a pair that was settled lately is a repeat, which
// readers must expect and versions make harmless; it is counted.
//
// When all pairs are settled, the report table is compared with the orders that
// are not deleted, row by row and column by column, in one query. The demo fails
// if anything was lost or unexpected, or a row is missing, too many or different.
//
// # Privileges
//
// The writer owns the tables. Publisher and pillow run as a role of their own
// that may replicate, read these tables, and write its own schemas; only the
// setup before them, the init command's, is done by the superuser.
package demo
