// Package pgoutputtest builds pgoutput messages for tests: of the decoder, and
// of whatever reads a replication stream.
//
// The Append functions append one message to dst and return the result. They
// write what they are given, sense or not, and panic only on what the format
// cannot carry: a zero byte in a name, more columns than it counts.
package pgoutputtest

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"changefeed/cdc/internal/pgoutput"
)

// Append appends m, whichever kind it is.
func Append(dst []byte, m *pgoutput.Message) []byte {
	switch m.Kind {
	case pgoutput.KindBegin:
		return AppendBegin(dst, m.Begin)
	case pgoutput.KindCommit:
		return AppendCommit(dst, m.Commit)
	case pgoutput.KindOrigin:
		return AppendOrigin(dst, m.Origin)
	case pgoutput.KindRelation:
		return AppendRelation(dst, m.Relation)
	case pgoutput.KindType:
		return AppendType(dst, m.Type)
	case pgoutput.KindInsert:
		return AppendInsert(dst, m.Insert)
	case pgoutput.KindUpdate:
		return AppendUpdate(dst, m.Update)
	case pgoutput.KindDelete:
		return AppendDelete(dst, m.Delete)
	case pgoutput.KindTruncate:
		return AppendTruncate(dst, m.Truncate)
	case pgoutput.KindMessage:
		return AppendLogicalMessage(dst, m.Logical)
	default:
		panic(fmt.Sprintf("pgoutputtest: append %s message", m.Kind))
	}
}

// AppendBegin appends a begin message.
func AppendBegin(dst []byte, b pgoutput.Begin) []byte {
	dst = append(dst, byte(pgoutput.KindBegin))
	dst = binary.BigEndian.AppendUint64(dst, b.FinalLSN)
	dst = binary.BigEndian.AppendUint64(dst, uint64(pgoutput.Microseconds(b.CommitTime)))
	return binary.BigEndian.AppendUint32(dst, b.XID)
}

// AppendCommit appends a commit message.
func AppendCommit(dst []byte, c pgoutput.Commit) []byte {
	dst = append(dst, byte(pgoutput.KindCommit), 0)
	dst = binary.BigEndian.AppendUint64(dst, c.CommitLSN)
	dst = binary.BigEndian.AppendUint64(dst, c.EndLSN)
	return binary.BigEndian.AppendUint64(dst, uint64(pgoutput.Microseconds(c.CommitTime)))
}

// AppendOrigin appends an origin message.
func AppendOrigin(dst []byte, o pgoutput.Origin) []byte {
	dst = append(dst, byte(pgoutput.KindOrigin))
	dst = binary.BigEndian.AppendUint64(dst, o.CommitLSN)
	return appendText(dst, string(o.Name))
}

// AppendRelation appends a relation message.
func AppendRelation(dst []byte, rel pgoutput.Relation) []byte {
	dst = append(dst, byte(pgoutput.KindRelation))
	dst = binary.BigEndian.AppendUint32(dst, rel.ID)
	dst = appendText(dst, rel.Namespace)
	dst = appendText(dst, rel.Name)
	dst = append(dst, byte(rel.ReplicaIdentity))
	dst = appendCount(dst, len(rel.Columns))
	for _, c := range rel.Columns {
		dst = append(dst, bit(0, c.Key))
		dst = appendText(dst, c.Name)
		dst = binary.BigEndian.AppendUint32(dst, c.TypeOID)
		dst = binary.BigEndian.AppendUint32(dst, uint32(c.TypeModifier))
	}
	return dst
}

// AppendType appends a type message.
func AppendType(dst []byte, t pgoutput.Type) []byte {
	dst = append(dst, byte(pgoutput.KindType))
	dst = binary.BigEndian.AppendUint32(dst, t.OID)
	dst = appendText(dst, t.Namespace)
	return appendText(dst, t.Name)
}

// AppendInsert appends an insert message.
func AppendInsert(dst []byte, i pgoutput.Insert) []byte {
	dst = append(dst, byte(pgoutput.KindInsert))
	dst = binary.BigEndian.AppendUint32(dst, i.RelationID)
	return appendTuple(dst, 'N', i.New)
}

// AppendUpdate appends an update message, with the old tuple unless its kind is
// OldNone.
func AppendUpdate(dst []byte, u pgoutput.Update) []byte {
	dst = append(dst, byte(pgoutput.KindUpdate))
	dst = binary.BigEndian.AppendUint32(dst, u.RelationID)
	if u.OldKind != pgoutput.OldNone {
		dst = appendTuple(dst, byte(u.OldKind), u.Old)
	}
	return appendTuple(dst, 'N', u.New)
}

// AppendDelete appends a delete message.
func AppendDelete(dst []byte, d pgoutput.Delete) []byte {
	dst = append(dst, byte(pgoutput.KindDelete))
	dst = binary.BigEndian.AppendUint32(dst, d.RelationID)
	return appendTuple(dst, byte(d.OldKind), d.Old)
}

// AppendTruncate appends a truncate message.
func AppendTruncate(dst []byte, t pgoutput.Truncate) []byte {
	dst = append(dst, byte(pgoutput.KindTruncate))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.RelationIDs)))
	dst = append(dst, bit(0, t.Cascade)|bit(1, t.RestartIdentity))
	for _, id := range t.RelationIDs {
		dst = binary.BigEndian.AppendUint32(dst, id)
	}
	return dst
}

// AppendLogicalMessage appends a logical message.
func AppendLogicalMessage(dst []byte, m pgoutput.LogicalMessage) []byte {
	dst = append(dst, byte(pgoutput.KindMessage), bit(0, m.Transactional))
	dst = binary.BigEndian.AppendUint64(dst, m.LSN)
	dst = appendText(dst, string(m.Prefix))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Content)))
	return append(dst, m.Content...)
}

func appendTuple(dst []byte, mark byte, t pgoutput.Tuple) []byte {
	dst = append(dst, mark)
	dst = appendCount(dst, len(t))
	for _, v := range t {
		dst = append(dst, byte(v.Kind))
		if v.Kind == pgoutput.ValueText || v.Kind == pgoutput.ValueBinary {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Data)))
			dst = append(dst, v.Data...)
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	if strings.IndexByte(s, 0) >= 0 {
		panic(fmt.Sprintf("pgoutputtest: zero byte in %q", s))
	}
	dst = append(dst, s...)
	return append(dst, 0)
}

func appendCount(dst []byte, n int) []byte {
	if n > math.MaxUint16 {
		panic(fmt.Sprintf("pgoutputtest: %d columns", n))
	}
	return binary.BigEndian.AppendUint16(dst, uint16(n))
}

func bit(n int, set bool) byte {
	if set {
		return 1 << n
	}
	return 0
}
