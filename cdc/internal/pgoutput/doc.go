// Package pgoutput decodes the messages of PostgreSQL's built-in logical
// decoding plugin, pgoutput, at protocol version 1.
//
// A message is what one XLogData frame of the replication stream carries, or
// one row of pg_logical_slot_get_binary_changes. The package knows nothing of
// the frame around it, of transactions or of relations seen earlier: it turns
// the bytes of one message into a [Message], or into an [*Error] that says
// where and why they are not one.
//
// # Wire format
//
// All integers are big-endian. A string ends with a zero byte and has none
// inside. An LSN is a 64-bit position in the write-ahead log, a time is 64 bits
// of microseconds since 2000-01-01 00:00 UTC. The first byte is the tag
// ([Kind]), the fields follow it without padding:
//
//	B begin     LSN of the commit record, commit time, 32-bit transaction id
//	C commit    flags (1 byte, 0), LSN of the commit record, LSN after it, commit time
//	O origin    LSN of the commit on the origin, name of the origin
//	R relation  id (4), namespace, name, replica identity (1), number of columns (2);
//	            a column: flags (1, bit 0 for the replica identity), name, type OID (4), type modifier (4)
//	Y type      OID (4), namespace, name
//	I insert    relation id (4), 'N' tuple
//	U update    relation id (4), optionally 'K' tuple or 'O' tuple, then 'N' tuple
//	D delete    relation id (4), 'K' tuple or 'O' tuple
//	T truncate  number of relations (4), options (1: bit 0 cascade, bit 1 restart identity), ids (4 each)
//	M message   flags (1, bit 0 transactional), LSN, prefix, length (4), content
//
// A tuple is a 2-byte number of columns and then, for each column, one byte of
// [ValueKind]; a text or binary value follows with a 4-byte length and its
// bytes. The columns are those of the relation message, in its order. A 'K'
// tuple holds the columns of the replica identity, the others are null there
// whatever they were in the row; an 'O' tuple holds the whole old row.
//
// The namespace is empty for pg_catalog and is given as it came.
//
// # What is accepted
//
// Exactly the messages above. These are errors: an unknown tag (among them the
// streaming and two-phase messages of later protocol versions), flags, options
// or kinds that the protocol does not define, a begin without an LSN, a commit
// whose end is not after its start, a length or count that the message is too
// short for, and bytes left over. Everything accepted has one encoding only:
// encoding it again gives the same bytes.
//
// Names and values are bytes in the encoding of the connection; that they are
// valid UTF-8 is not checked.
//
// # Invariants
//
// Validated before exposed: the whole message, every column of every tuple
// included, is checked before any of it can be seen. After an error the
// [Message] is empty.
//
// Bounded: counts are compared with the bytes that are left before memory is
// taken for them. The worst is a row of nulls, a [Value] for each byte, and a
// tuple has at most 65,535 columns.
//
// Aliased: byte slices point into the message, tuples and relation ids into
// storage of the [Message]. All are valid until the next call of
// [Message.Decode] or until the message's bytes are overwritten, whichever is
// first, and their capacity ends where they end. [Relation] and [Type], which
// are rare and kept by those who read them, are copies.
//
// Unchanged is not null: a value stored out of line (TOAST) that an update did
// not touch is not sent. It is [ValueUnchanged], and what the row holds there
// is unknown from this message alone.
//
// What the caller owes: a tuple means something only beside the latest relation
// message with its relation id, and the two must have as many columns.
package pgoutput
