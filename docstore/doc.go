// Package docstore reads documents as they are now.
//
// A change is a stub: it names a document. Whoever works on the change reads
// the document from its [Store], many at a time. What the store gives is the
// current document, which may be newer than the change, and must never be older:
// a sink labels the document with the change's version, and a label newer than
// the content would make the sink refuse the content that belongs to it.
//
// # Memory
//
// A read is bounded in bytes, not only in ids: of the documents that were asked
// for, the store gives those whose bodies fit into [MaxBytes], in whatever order
// it comes upon them, and at least one, however large that is. The results of the
// others wrap [ErrNotRead]: ask for them again, once the documents given have been
// worked on. So whoever reads holds one read's worth of documents, whatever their
// size, and gets on with each read. A store does not hold more itself.
//
// # Visibility
//
// A change can arrive before its row is visible to other sessions, because the
// server sends the log before the committing session has made itself visible,
// and long before a replica has replayed it. So every read carries a [Horizon]:
// the transactions and log positions that the read must see. A store that can
// not show them yet waits briefly, looks again, and then gives
// [ErrNotVisible] rather than an older document.
//
// # Absence
//
// [ErrNotFound] says that a snapshot that surely holds the horizon has no such
// document. It does not say that the document was deleted, because a change
// published without a horizon may be ahead of the snapshot.
package docstore
