// Package backfill publishes a change for every row of a routed table, for
// documents that are in no topic yet: those of a table that is older than its
// route, or of a partition that was published late.
//
// Changes are made with changefeed.publish in the source's database, so that they
// have positions of real commits and replay like any other. The rows are read in
// the order of their document ids, a batch in a transaction, and published in that
// transaction. Nothing is kept: where a backfill ends early, it says after which
// id the next one goes on.
//
// # What is covered
//
// A row is published by its own writing if that is decoded with a publication that
// lists its table, and by the backfill if it was there before. So that none falls
// between, the backfill begins behind a watermark: it finds all of the table's
// parts listed, takes a transaction id, and waits until every transaction that had
// one then has ended. What those wrote is visible to the backfill; what later ones
// write is decoded with the publication as it was found.
//
// # What can be seen twice, or of nothing
//
// A document that is written while the backfill passes it is published by both. A
// row that is deleted after it was read and before its batch commits is published
// as saved behind its deletion: its reader finds no document, and takes the change
// for superseded.
//
// Of several rows with one id at least one is published. Rows that have no id are
// left out, as the publisher leaves them out.
package backfill
