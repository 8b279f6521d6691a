// Package changefeed is the contract that every part of the system shares: the
// change, its JSON, its topic, key and partition, its record headers, its
// position and its version.
//
// # The change
//
// A [Change] is a stub. It says which document changed, of which type and in
// which domain, and never carries the document itself: a subscriber reads the
// document from its document store, as it is when the stub is worked on. On the
// wire a change is one Kafka record:
//
//   - value: the JSON object of [Meta]. All twelve fields are written, nulls
//     explicitly, times as 2006-01-02T15:04:05.000000Z in UTC with exactly six
//     fraction digits, attempts as an integer. Fields that this package does
//     not know are kept when read and written again. A value is never null.
//   - key: the UTF-8 bytes of the document id, so that every change of one
//     document is in one partition. See [Partition].
//   - headers: [HeaderPosition], [HeaderVersion] and [HeaderXID], as text.
//     Readers that do not know them may ignore them.
//
// # Position, version, epoch
//
// A [Position] names a change for ever: the source, its epoch, the log position
// of the transaction's commit record, and the ordinal of the document in that
// transaction. A replay of the log gives the same positions. A [Version] orders
// the states of one document; it comes from the source and never from the time
// at which somebody works on the change, so that a sink can refuse whatever is
// older than what it holds.
//
// # Publishing
//
// A [Sink] takes changes in order. It reports progress as a floor: the highest
// sequence number up to and including which everything has been acknowledged.
// Nothing may be confirmed to a source above that floor.
package changefeed
