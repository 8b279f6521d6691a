// Package table is the processor that keeps a report table: one row for each
// document, with typed columns read from the document's body by path.
//
// # Tables
//
// A processor works with two tables of one database:
//
//   - The report table has the columns of the configuration and _version, the
//     version of the change that wrote the row. Its primary key is the
//     document's id.
//   - The guard, report_versions in the state schema, has the newest version of
//     every document ever written or deleted, for all report tables: a document
//     that is deleted leaves no row in the report table to compare with.
//
// The guard alone decides what is newer. [Processor.Prepare] makes the tables
// that are missing, under an advisory lock that all processes share; where both
// exist the processor needs no right to create anything. A report table that
// Prepare has made starts with an empty guard, so dropping a report table is the
// way to fill it anew (emptying it is not: its guard would refuse every version
// that it has seen). Prepare never alters a table: one that does not fit is
// reported with the SQL that would make it fit.
//
// # Writing
//
// The rows of a batch are sorted by document id, cut into chunks of bounded size,
// and each chunk is written in one READ COMMITTED transaction:
//
//  1. The guard is raised, in the order of ids, to the versions of the chunk.
//     It returns the documents that may be written: those whose version is newer
//     than what it had, and saves whose version equals it.
//  2. The rows of those that are deleted are deleted, those of the others are
//     inserted or updated.
//
// Documents that the guard did not return are settled as superseded and nothing
// else of them is sent. All changes of a transaction have one version, so that a
// document that it deleted and then saved comes as a deletion and a save of equal
// versions, in that order or, where its row moved between data sources, in
// either. A save is written over the deletion, and a deletion not over the save:
// package pillows tells why that is right in every order. In a batch that has
// both, only the save is written. A save that is given again, because its commit
// was not heard of, is written again as its document is by then.
//
// The steps are statements of their own on purpose. Step 1 waits for other
// transactions that write the same documents. A deletion in the same statement
// would look for its row in a snapshot taken before that wait:
//
//	old owner                      new owner
//	save at version 1
//	                               delete at version 2: waits for the guard
//	commit: the row is there
//	                               guard raised to 2; the row is not in the
//	                               statement's snapshot and would stay for ever
//
// Step 2 begins after the wait, and sees the row. Because whoever writes a row
// holds its document's guard, and all take guards in the same order, workers do
// not deadlock with each other. They can with other users of the table: a
// deadlock is tried again a few times within the call.
//
// Values travel as arrays, one for each column, which the server unnests: one
// round trip for each step, and no temporary table, whose upkeep costs more than
// the rows of a small chunk, which bloats the catalogue where it is made anew, and
// which needs a session of its own behind a connection pooler.
//
// # Failures
//
// A value that does not convert fails its own document, before anything is sent.
// Where the server refuses a chunk for what is in it (SQLSTATE classes 22, 23,
// 44, 54 and P0: a constraint, a row that is too big, a trigger), the chunk is
// halved until the documents that cause it are found. Both are in a
// [pillows.BatchError]; all other documents of the batch are written. Any other
// error (connection, privileges, disk, a table that is gone) concerns the table
// as a whole.
//
// # Deletions
//
// A change that is a deletion, and a document that its store marks as deleted,
// take the row away. The guard keeps the version.
//
// # Paths
//
// A path is names joined with ".": a name picks the member of an object, and a
// decimal number also the element of a list, counting from 0. The path _id is the
// document's id, whatever the body holds. What is missing, or null, is NULL. Of
// members with the same name the last counts.
//
// # Conversions
//
// Values are checked here, so that a bad one fails only its document; the server's
// own input functions then read the text. What is accepted gives the value that
// PostgreSQL gives for (document ->> name)::type, and nothing is guessed:
//
//	text              a string as it is; a number or boolean as it is written; a
//	                  list or object as compact JSON
//	boolean           true, false, "true", "false"
//	smallint, integer, bigint
//	                  a number without fraction or exponent, or a string that
//	                  holds one, in range
//	numeric           a number, or a string that holds one, kept to the last digit;
//	                  "NaN", "Infinity", "-Infinity"
//	numeric(p,s)      as numeric, rounded to s digits after the point; fails where
//	                  more than p-s digits are before it, or it is infinite
//	real, double precision
//	                  as numeric; fails where it is too large, or so small that it
//	                  would become 0
//	date              "2026-01-02", "infinity", "-infinity"
//	timestamp         a date, or "2026-01-02T03:04:05.123456", a space for the T
//	                  allowed, no offset; "infinity", "-infinity"
//	timestamptz       as timestamp with time and offset: Z, +hh, +hh:mm or +hh:mm:ss
//	time              "03:04", "03:04:05", "03:04:05.123456"
//	uuid              a string of 32 hexadecimal digits in groups of 8-4-4-4-12
//	jsonb             anything; null is NULL, not the JSON null
//
// Years may have more than four digits, and dates may end in " BC", as PostgreSQL
// writes them. The character U+0000, half a surrogate pair and bytes that are not
// UTF-8 cannot be stored by PostgreSQL and fail the document.
//
// A primary key is text, smallint, integer, bigint or uuid, and a document's id
// must be written as PostgreSQL writes that type, so that no two ids are one key:
// with bigint, the id 007 fails.
package table
