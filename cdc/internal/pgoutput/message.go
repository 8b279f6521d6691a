package pgoutput

import (
	"fmt"
	"time"
)

// Kind is the tag of a message, its first byte.
type Kind byte

// The messages of protocol version 1.
const (
	KindBegin    Kind = 'B'
	KindCommit   Kind = 'C'
	KindOrigin   Kind = 'O'
	KindRelation Kind = 'R'
	KindType     Kind = 'Y'
	KindInsert   Kind = 'I'
	KindUpdate   Kind = 'U'
	KindDelete   Kind = 'D'
	KindTruncate Kind = 'T'
	KindMessage  Kind = 'M'
)

// String returns the name of the message, the quoted tag where it has none, or
// "empty" for 0.
func (k Kind) String() string {
	switch k {
	case KindBegin:
		return "begin"
	case KindCommit:
		return "commit"
	case KindOrigin:
		return "origin"
	case KindRelation:
		return "relation"
	case KindType:
		return "type"
	case KindInsert:
		return "insert"
	case KindUpdate:
		return "update"
	case KindDelete:
		return "delete"
	case KindTruncate:
		return "truncate"
	case KindMessage:
		return "logical"
	case 0:
		return "empty"
	default:
		return fmt.Sprintf("%+q", rune(k))
	}
}

// Message is one decoded message. Kind says which field is filled; the others
// are zero. The zero Message is ready for use, and meant to be used again for
// message after message: see the package documentation for how long its slices
// are valid. It is not safe for concurrent use.
type Message struct {
	Kind Kind // 0 before the first Decode and after one that failed

	Begin    Begin
	Commit   Commit
	Origin   Origin
	Relation Relation
	Type     Type
	Insert   Insert
	Update   Update
	Delete   Delete
	Truncate Truncate
	Logical  LogicalMessage // of KindMessage

	storage storage
}

// storage is the memory that one Decode leaves to the next.
type storage struct {
	oldTuple    Tuple
	newTuple    Tuple
	relationIDs []uint32
}

// reset empties m. It clears only what Kind says is filled: to clear the whole
// of m takes longer than to decode a small row.
func (m *Message) reset() {
	switch m.Kind {
	case KindBegin:
		m.Begin = Begin{}
	case KindCommit:
		m.Commit = Commit{}
	case KindOrigin:
		m.Origin = Origin{}
	case KindRelation:
		m.Relation = Relation{}
	case KindType:
		m.Type = Type{}
	case KindInsert:
		m.Insert = Insert{}
	case KindUpdate:
		m.Update = Update{}
	case KindDelete:
		m.Delete = Delete{}
	case KindTruncate:
		m.Truncate = Truncate{}
	case KindMessage:
		m.Logical = LogicalMessage{}
	}
	m.Kind = 0
}

// Begin starts a transaction. Everything up to the Commit belongs to it.
type Begin struct {
	FinalLSN   uint64    // start of the commit record; the Commit's CommitLSN
	CommitTime time.Time // UTC, in microseconds
	XID        uint32    // without the epoch: it wraps around
}

// Commit ends a transaction.
type Commit struct {
	CommitLSN  uint64    // start of the commit record
	EndLSN     uint64    // first byte after the commit record: what to confirm as flushed
	CommitTime time.Time // UTC, in microseconds
}

// Origin follows a Begin whose transaction was itself replicated from elsewhere.
// The commit time of Begin and Commit is then the one that the origin gave.
type Origin struct {
	CommitLSN uint64 // on the origin
	Name      []byte
}

// Relation describes a table. It comes before the first row of the table in a
// session, and again after each change of its definition or publication.
// It is a copy and may be kept.
type Relation struct {
	ID              uint32
	Namespace       string // empty for pg_catalog
	Name            string
	ReplicaIdentity ReplicaIdentity
	Columns         []Column // the published ones, in the order of the table
}

// ReplicaIdentity is what the old tuples of a table hold, as in
// pg_class.relreplident.
type ReplicaIdentity byte

// The replica identities.
const (
	IdentityDefault ReplicaIdentity = 'd' // the primary key, nothing without one
	IdentityNothing ReplicaIdentity = 'n'
	IdentityFull    ReplicaIdentity = 'f' // the whole row
	IdentityIndex   ReplicaIdentity = 'i' // the columns of one unique index
)

// Column is a column of a Relation.
type Column struct {
	Name         string
	Key          bool // part of the replica identity; with IdentityFull, every column is
	TypeOID      uint32
	TypeModifier int32 // pg_attribute.atttypmod: -1 for none
}

// Type names a data type that is not built in. It comes before the Relation that
// has a column of it. It is a copy and may be kept.
type Type struct {
	OID       uint32
	Namespace string // empty for pg_catalog
	Name      string
}

// OldKind says what the old tuple of an Update or Delete is.
type OldKind byte

// The kinds of old tuple.
const (
	OldNone OldKind = 0   // there is none: an update that left the replica identity alone
	OldKey  OldKind = 'K' // the columns of the replica identity, null elsewhere
	OldRow  OldKind = 'O' // the whole row, of a table with IdentityFull
)

// Insert is a new row.
type Insert struct {
	RelationID uint32
	New        Tuple
}

// Update is a changed row.
type Update struct {
	RelationID uint32
	OldKind    OldKind
	Old        Tuple // nil with OldNone
	New        Tuple
}

// Delete is a deleted row.
type Delete struct {
	RelationID uint32
	OldKind    OldKind // OldKey or OldRow
	Old        Tuple
}

// Truncate empties whole tables and lists none of their rows.
type Truncate struct {
	Cascade         bool
	RestartIdentity bool
	RelationIDs     []uint32
}

// LogicalMessage is what pg_logical_emit_message wrote. One that is not
// transactional stands outside Begin and Commit, before the transaction that
// wrote it, which may yet have rolled back.
type LogicalMessage struct {
	Transactional bool
	LSN           uint64 // of the message
	Prefix        []byte
	Content       []byte
}
