// Package pillows runs pillows: named subscribers that read changes from Kafka,
// read the documents they name from the document stores, and give both to
// processors, which feed indexes, tables and caches.
//
// A [Pillow] is one member of a consumer group; any number of processes may run
// the same pillow. Authoritative are the group's committed offsets, and nothing
// else: whatever a process knows besides can be lost with it.
//
// # Delivery
//
// Every change gets exactly one [Verdict] from every processor, and an offset is
// committed only when all changes below it have theirs. So a change is delivered
// at least once: again only after a crash, a lost partition or a cut-off drain,
// and then no more than the chunk in work and the one whose offset was on its
// way, in each partition. When partitions move as planned nothing is delivered
// twice. Changes of one document are delivered in the order of the topic, the
// newest standing for those that came in one chunk. Processors refuse what is
// older than what they have, by version, which makes every repetition harmless,
// and also what a member writes that has lost a partition and does not know it.
//
// # Versions
//
// The changes of one transaction all have the version of its commit, and it may
// have several of one document: a large transaction is published in pieces, each
// of which may name the document; and a row that moves from one data source to
// another is deleted in the one and saved in the other. For a sink that has a
// document at version v this is the rule:
//
//	a change of version   save                        deletion
//	below v               superseded                  superseded
//	v                     applied over a deletion,    superseded
//	                      either over a save
//	above v               applied                     applied
//
// At equal versions a save decides, because its content was read in a snapshot
// that has the whole transaction: a save reaches a sink only where the document
// is there after version v. (A save whose document is not found is superseded
// before that, or is given as a deletion.) In each order of a deletion and a save
// of v:
//
//   - Deletion, then save: the transaction saved the document again, or moved it.
//     The save is written over the deletion.
//   - Save, then deletion, of one data source: the transaction deleted the
//     document at last. That the save got to the sink means that a later
//     transaction saved the document again before it was read. The document is
//     there; the deletion is refused, and the change of the later transaction
//     follows.
//   - Save, then deletion, of two data sources: the row moved. The deletion is of
//     the place that it left, and is refused.
//   - Both again, after a crash of the publisher or of a member: the deletion is
//     refused, and the save is written as the document is by then, or was deleted
//     by a later transaction, whose deletion follows.
//   - Two saves: both contents have the whole transaction. Should the older one be
//     written last, the change that it lacks is one of a later version, and
//     follows, or has been written, and then both are refused.
//
// Within a chunk the changes of one document are not judged by this rule but by
// their order: of equal versions the later one stands for both. The pieces of a
// transaction come in its order, so the later one is what it did last: a save that
// comes before a deletion of the same version needs no reading, and a deletion
// that comes before a save no writing. Where the pieces are published again, the
// last of them again comes last.
//
// # The path of a change
//
//	poll ─▶ queue ─▶ chunk ─▶ collapse ─▶ read documents ─▶ processors ─▶ ledger ─▶ commit
//	member  ╰─────────────────── worker, one for each partition ──────────────╯    committer
//
// In words:
//
//   - The member polls and hands records, decoded, to the queues of their
//     partitions. A full queue makes polling wait for a moment; one that stays
//     full has its partition paused, and the others go on. Heartbeats do not
//     depend on it.
//   - The worker takes what is queued, up to a chunk. It never waits for more.
//   - Of the changes of one document, by data source and id, the newest by
//     version is kept, the later one where versions are equal. The others are
//     superseded.
//   - The documents of saves are read with one call for each data source, whose
//     horizon holds the positions and transactions of these changes. Where the
//     documents do not fit into such a call, those that it gave are processed and
//     let go of before the next one, without a pause.
//   - Each processor gets the items, which it shares with the others, and settles
//     them. One that is done is not called again because another one failed.
//   - The ledger holds the verdicts. The offset of the lowest change that is open
//     in some processor goes to the committer right after the chunk; the next
//     chunk is worked on meanwhile, but not the one after it.
//
// # Memory
//
// Records read ahead are bounded by [Config].QueueBytes, all partitions together.
// Each partition has besides one chunk of changes, bounded by ChunkBytes, and
// documents of less than twice [docstore.MaxBytes], or one larger document more:
// no data source is read while the chunk has that many bytes of documents.
//
// # States of a partition
//
//	            assigned                     all verdicts
//	(elsewhere) ────────▶ running ◀──────────────────────────╮
//	     ▲                   │  a try failed, or a fault      │
//	     │                   ╰────────────▶ waiting ──────────╯
//	     │ revoked: the chunk in work is finished and committed; one that waits
//	     │          is left as it is; the rest of the queue is dropped
//	     ╰ lost:    the call in work is cut off, nothing is committed
//
// A waiting partition tries again by itself, with backoff, and says so in the
// log: when it begins, every 30 seconds, and when it goes on. It commits the same
// offset again with its reason, see [Progress], so that [List] can show it. Only
// the partition waits: others go on, and the member stays in its group.
//
// # Verdicts
//
//   - [Applied]: the processor took the item and did not say otherwise.
//   - [Superseded]: a newer change of the document was in the chunk; or the
//     processor has a newer version, or refuses a deletion at the version it has;
//     or the document of a change with a position is gone, so its deletion
//     follows.
//   - [Filtered]: the processor leaves such changes out.
//   - [Parked]: for an error store, which does not exist yet.
//
// A document that its store knows as deleted is given to the processors as a
// deletion, under the version of the change that was read: a sink learns of it
// even where the deletion was never published, and as the content is newer than
// its label, a sink does not go backwards: whatever happened to the document
// since still has the higher version. A document that is not found is not taken
// for deleted. Where its change has no position, as from publishers that do not
// read a log, it is looked for until the change is a minute old, because the
// change may be ahead of its commit; then the change is superseded, with a
// warning.
//
// # Failures
//
//	what fails                      what happens
//	a processor, as a whole         waiting; its open items are given to it again
//	items, by a BatchError          waiting; these items only are given again
//	a document store                waiting; its documents are read again
//	documents not visible yet       as above; said only after a second
//	a document, or its data source  waiting; the other changes of the chunk are done
//	a record that is no change      waiting, until the group's offset is set past it
//	an offset that is gone          waiting, until the group's offset is set: never reset
//	a topic that does not exist     the other topics are read; looked for every second
//	brokers, coordinator            tried without end; partitions go on as far as they can
//	a commit                        sent again; a partition goes on for one chunk at most
//	this process                    others have its partitions after the session timeout
//
// # Shutdown
//
// When the context of [Pillow.Run] ends, chunks in work are finished and
// committed, within the drain timeout, and the group is left. See Run for the
// order.
package pillows
