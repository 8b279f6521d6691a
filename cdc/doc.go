// Package cdc publishes what is committed in a PostgreSQL database: it reads the
// write-ahead log through a logical replication slot and turns the rows of routed
// tables into changes, which it gives to a sink.
//
// A [Publisher] publishes; package setup examines a database and sets it up for
// that. This is the specification of the publisher.
//
// # What is authoritative
//
// What the topics hold. The rest serves to find that out and to read the log from
// early enough:
//
//	the slot's confirmed position  everything committed before it is in the topics. The
//	                               stream begins there. It goes back when the server
//	                               crashes.
//	the checkpoint                 everything up to its position is in the topics; what
//	                               else is lies behind its offsets. It is a second old.
//	the tails of the topics        which positions are in the topics beyond that
//
// Without [Deps.Checkpoints] only the first is known, and what was published
// beyond it is published again.
//
// Four positions of the log are told apart:
//
//	received      what the server has sent; reported as written, without meaning
//	published     what the sink has been given
//	acknowledged  the sink's floor: it and everything published before it is safe
//	confirmed     reported as flushed: the server may forget what lies before it
//
// confirmed ≤ acknowledged ≤ published ≤ received, always.
//
// # Guarantee
//
// Every committed insert, update or delete of a routed row is published, folded
// per document and transaction, unless [Stats] counts it among what is left out:
// once, whatever publisher, connection, sink or server died meanwhile, and changes
// of one partition in the order of their positions. It is published again only
//
//   - without checkpoints, after any interruption;
//   - where what positions depend on has changed and the session before did not
//     end in order: the transactions that it had not finished;
//   - in a new epoch: what the slot still holds;
//   - by a publisher that was cut off from server and state, and not from the
//     broker: what it had on its way.
//
// Then it has the same position and version as before, or in a new epoch greater
// ones, so that readers can tell.
//
// # Stages
//
//	connection ──▶ receive ─▶ assemble ──queue──▶ look up ─▶ publish ──▶ sink
//	     ▲         └──── one goroutine ───┘       └─ one goroutine ─┘       │
//	     └──────── status, one goroutine ◀───────── window ◀── floor ───────┘
//	           checkpoints, one goroutine ◀────────────┘
//
// The receiving goroutine reads the socket itself, much at a time, once replication
// has started. While many rows arrive it lets them gather in the socket for up to
// two milliseconds, because a wake-up for each would cost the server and us more
// than the row; where few arrive each is read at once.
//
// The queue is one batch that grows until it is taken, bounded in bytes. It is
// offered when all that was read has been assembled, or when it is much: alone, a
// transaction is published at once, and what was read together, or piles up while
// the sink is slow, is published together. When it is full, the receiving goroutine waits, and with it
// the server. Status depends on nobody: it goes on while sink or lookups wait. The
// socket belongs to the receiving goroutine for reading and to the status
// goroutine for writing; each sets its own deadline only.
//
// # Assembly
//
// A transaction is what lies between BEGIN and COMMIT; what was rolled back,
// savepoints included, is not in the stream. Its documents are numbered from 0, and
// published, by [Table.Order], those of one order as its rows and messages touch
// them first. Of each document only the outcome
// is published: delete and then insert is a save, insert and then delete a
// deletion, a row moved between partitions a save. A change of the document id is
// a deletion of the old document and a save of the new one. This holds for routes
// of all operations, whose ids are unique; a route that leaves operations out
// makes a change of each row.
//
// A row of a satellite touches its parent's document, and that of its former
// parent where an update moved it. If no row of the parent is in the same
// transaction (the same piece, see below), the parent's row is read when the
// transaction has been committed, in a snapshot in which that transaction is
// visible and all streamed before it that touched documents of the same route:
// each lookup names those that the one before did not, and where there is no
// lookup for so long that they become too many for one, there is one for their
// sake. A parent that is gone then yields nothing; its number stays used, so
// positions do not depend on what a lookup answers.
//
// A transaction of more than [Config.PieceDocuments] documents, or whose routed
// columns and messages have more than [Config.PieceBytes] bytes of text, is
// published in pieces, before its COMMIT has been read, the numbers counting on.
// Only the log decides where it is cut. A document can come once in each piece.
//
// Of a deleted row only the columns of the replica identity are known. What is
// not known is null; constants are known always. A column that an update does not
// send, because it is stored out of line and was not touched, is taken from the
// old tuple, else looked up.
//
// Document ids are texts as the server writes them, with the settings that decide
// that fixed: those of changefeed.TextSettings, which whoever looks an id up by
// text has to use too.
//
// # Messages
//
// A transaction can say what to publish by logical messages with the prefix
// changefeed, which PostgreSQL sends from version 14 on. Others are ignored, and so
// is one that is not transactional: it may belong to what was rolled back.
//
//	{"change": {"topic": …, "document_id": …, "document_type": …, "document_subtype": …,
//	    "domain": …, "is_deletion": …, "data_source_type": …, "data_source_name": …}}
//	{"suppress": true}
//
// A change message touches a document as a row does, at its place. Of all that
// touches one document in a transaction, or a piece of one, the word that counts is
//
//	that of the document's own rows, before the message or after it;
//	else what a lookup finds, where satellites have touched it;
//	else that of the last message: also where a lookup finds nothing.
//
// Its topic is one of the tables' or of [Config.Topics], whose order is 0. Without a
// data source name it has that of the topic's tables, if they have one alone. The
// document of another name, or of another topic, is not one of the source's tables.
//
// After a suppress message, to the end of the transaction and through all its
// pieces, documents that rows touch for the first time (in the piece) yield
// nothing; their numbers stay used, so positions do not depend on whether
// suppression is allowed. A document that was touched before is published, as its
// rows leave it, those after the message included: a change that told less would be
// wrong, and would never be put right. A change message publishes its document in
// any case. A satellite's row suppressed touches nothing that is published.
//
// The content is anyone's input. What is not one of the two objects, has another
// member, a value of another type, no topic or id, or more than 64 KiB, is counted
// and said, the first at once and the others now and then, and changes nothing.
//
// # Names
//
// A publication follows a table through a change of its name, and the log goes on
// naming the table as it was called when a row was written. A route applies to the
// tables of its name in the log; where that has no route, to the table of its name
// now, and to the parts of one: partitions, and tables that inherit from it, each
// published by itself, whose rows a SELECT of the whole returns. So a table that
// was renamed back, or given a route under its new name, is read through, and one
// that is renamed while it is routed stops the publisher: its oid had a route, in
// this process, and has none.
//
// A part that was detached is told of and ignored from its next announcement on:
// its rows are no documents of the route any more, and no change says so. One that
// was created or attached later is in no publication until the source is set up
// again; preflight warns of it.
//
// The log names columns, too, as they were when a row was written. A column that a
// route names and the log does not was renamed since, if it has the place and the
// type of one whose name is gone, and everything that could have put another
// column there is older than what the slot can read: the table's entry in the
// publication, and each dropped column. Then rows under the former name are read
// by place; else the publisher stops. It stops also where a routed column is
// renamed while it streams, and is read on when the route has the new name.
//
// A listed column cannot be dropped, nor change its type, as long as it is listed.
// To drop it: take it out of the route, run "changefeed init", which takes it out
// of the list, restart, and drop it. To change its type, in one transaction: ALTER
// PUBLICATION … DROP TABLE, ALTER TABLE … TYPE, ALTER PUBLICATION … ADD TABLE with
// the same list. The ids of documents are texts, and change only as those do.
//
// # Resume
//
// A session begins in this order:
//
//  1. It gets the slot: replication starts at the slot's confirmed position. That
//     it does not start at the checkpoint costs little, for the server has to read
//     its log from further back in any case, and it makes all decisions below ones
//     about what to publish: none can make the server leave anything out.
//  2. It claims the checkpoint. Whoever had the slot before cannot save any more.
//     From now on status is written, and confirms nothing; the stream waits.
//  3. It reads where the stream begins and where the log ends; then the tails of the
//     topics, from the checkpoint's offsets to ends that do not move any more,
//     unless the session before has ended in order. Ended or not, the sink of that
//     session is closed, or its process is dead.
//  4. It decides which epoch its positions are of, and saves the checkpoint that it
//     begins with. Only then it publishes.
//
// A change is in the topics already if its transaction ends at or before the
// checkpoint's LSN, or its position is at or below the acknowledged one, or among
// those read back. It is a set that decides and not the last position, because
// partitions are acknowledged apart: a record can be missing below others that
// arrived. Such a change is passed over: counted, not looked up, and acknowledged
// as soon as everything before it is.
//
// The stream has to have every position that was read back, and the acknowledged
// one, from where it begins. Where it passes one, it is another log than that which
// was published from: the session ends, and the next one begins a new epoch. Until
// the last of them has been met, nothing is confirmed or saved, so that nothing of
// another log can be lost by that.
//
// Positions depend on the log and on what the layout of a checkpoint names: rules
// of assembly, routes, limits of pieces. Where that or a number of partitions has
// changed, only whole transactions at or below the LSN are passed over, and the
// offsets move to the ends of the topics, because the same position can be that of
// another change behind them.
//
// # Epochs
//
// An epoch is a log that positions can be compared within. A source gets a new one,
// greater than all that its state and its topics know, and that no other source
// has had,
//
//   - the first time; and where its checkpoint is gone, or older than its topics;
//   - where the system identifier is another one;
//   - where the log has gone back: its timeline left that of the checkpoint before
//     a position that was published, or is no descendant; or it ends before such a
//     position; or the stream does not have it (see above). The state alone could
//     not tell, because it can be in the same database and go back with it.
//
// The crash of a server is none of these, nor a failover that lost nothing. Where
// it is in doubt the epoch is new. A new epoch begins at the slot's position, passes
// nothing over, and takes the present ends of the topics for its offsets.
//
// # Checkpoints
//
// A checkpoint is saved at most once a second, and only after documents have been
// acknowledged: saving writes to a log, which can be the one that is read. The
// sink's offsets are taken before the acknowledged position; older ones only make
// the next session read more. They are not moved while something at or below what
// was read back is not acknowledged, because that lies behind the old ones. Where
// others write to the topics, offsets also move once an hour.
//
// While the state is down publishing goes on, until a million changes are not
// covered by a checkpoint; then it waits. The last checkpoint of a session that
// ends in order is closed: nothing is on its way then.
//
// # Acknowledgement
//
//   - The end of a commit record enters the window behind the last change of its
//     transaction. It is confirmed when that and everything before it has been
//     acknowledged: exactly that position, because the next commit record may begin
//     at the very next byte.
//   - The log end of a keepalive outside a transaction enters behind everything
//     read before, on the same path. In a transaction it is ignored. So an idle
//     publication does not hold the log, and nothing is confirmed too early.
//   - Status is written on a timer; at once when a keepalive asks, and again when
//     what it asked about is confirmed; last thing when draining. A keepalive that
//     does not ask is not answered: the server would answer back without end.
//   - Until something has been confirmed in a session, flushed is reported as 0,
//     which the server takes for "no news".
//
// # States and failures
//
//	              ┌──────────────── interruption, after a pause ────────────────┐
//	              ▼                                                             │
//	start ─▶ connecting ─▶ [waiting for slot] ─▶ streaming ─▶ draining ─▶ stopped
//	              │                                  │            ▲
//	              └────────── fault ─▶ stopped       └─ ctx ended, or fault in the stream
//
// Interruptions pass by themselves. The session ends, its sink is closed, so that
// nothing of it is published any more, and the next one begins as every session
// does, after 0.1 to 3 seconds. Each is said once until there has been progress.
//
//	server not reachable, shutting down, starting    at the start for StartupTimeout,
//	                                                 later without end
//	connection lost, or silent for SilenceTimeout    without end
//	sink reports a failure, or cannot be opened      without end
//	topics cannot be read back                       without end
//	state cannot be claimed, or not saved at first   without end
//	another publisher has claimed the source         without end, as a stand-by
//	the log is another one                           the next session begins an epoch
//	slot in use by another process                   without end, on one connection, by
//	                                                 looking only: the hot stand-by; with
//	                                                 NoWait a fault
//	lookup fails                                     repeated in the session, said again
//	                                                 every half minute; with a remedy
//	                                                 where it will not pass by itself
//
// Faults need a person. Run returns them; each says what to do. A fault in the
// stream is met again by every later run: what comes before it is acknowledged and
// confirmed first, and nothing from its transaction on is. That cannot be done
// after an error of the server, which ends the stream.
//
//	refused login, certificate that is not accepted           at once
//	missing privilege or publication                          at once
//	slot missing or invalidated: a SlotLostError              at once
//	error of the server that does not pass: publication
//	missing where the log is read (until version 17)          at once
//	message or frame that cannot be decoded, is not
//	expected, or makes no sense                               fault in the stream
//	publication missing where the log is read (18 and later)  fault in the stream
//	routed column not published                               fault in the stream
//	routed table renamed or moved                             fault in the stream
//	deletion without the document id, column not sent         fault in the stream
//
// Not faults, but logged and counted: TRUNCATE, which names no rows; rows of tables
// without a route, of detached partitions among them; rows without a document id;
// messages that are malformed, not transactional, or ask for a suppression that is
// not allowed.
//
// # A holder that dies
//
// A stand-by looks at the slot four times a second. Where the holder's process is
// killed, the server frees the slot within milliseconds. Where its machine is gone,
// it does so after wal_sender_timeout, which is a minute at most on the publisher's
// connection, or after about 20 seconds by TCP keepalives while nothing is on its
// way.
//
// # Watching
//
// A goroutine beside a session looks at the slot now and then, on an ordinary
// connection of its own, and reports each of these when it begins, with the SQL to
// act, and when it has ended. It changes nothing, and where it cannot look, the
// session goes on.
//
//	the slot keeps more of the log than Config.RetainedWarning
//	less than a fifth of max_slot_wal_keep_size is left, none is left, the slot is lost
//	the place where decoding would begin stays while what is confirmed moves on,
//	    and a transaction is as old as that: named with its process and age
//	a routed table, or a partition of it, is gone or in no publication of its route
//
// # Silence
//
// A connection can die without a word, and somebody in between go on to
// acknowledge what is written. When nothing at all has come for half of
// [Config.SilenceTimeout], the status asks for a reply, which a server gives at
// once. When nothing comes for the other half, it is looked on a connection of its
// own what the process does that reads the slot. If it waits, for us or for more
// log, or the server cannot be asked, the connection counts as lost. If it is at
// work, on a transaction of which nothing is published, it is waited for. Time in
// which the publisher does not read, because the queue is full, is no silence.
//
// # Drain
//
// When ctx ends, in this order: reading stops, wherever it is; the queue is
// published; everything published is acknowledged, for at most DrainTimeout; the
// last status is written, and the last checkpoint saved; the stream and the
// connection are ended as the protocol wants it, so that the slot is free; the sink
// is closed. A transaction that was read in part is read again by the next run.
//
// # Transaction ids
//
// The log has 32 bits of a transaction's id. The others come from the server's
// next id: ids in the log of a living slot are within 2³¹ of it. It is read when a
// session starts, and again where nothing has been streamed for an hour.
package cdc
