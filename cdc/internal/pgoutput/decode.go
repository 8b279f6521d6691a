package pgoutput

import "slices"

// Decode reads one message into m, in place of what m held. It returns an
// [*Error], and leaves m empty, where data is not exactly one message of
// protocol version 1. It keeps slices of data.
func (m *Message) Decode(data []byte) error {
	m.reset()
	if len(data) == 0 {
		return &Error{Reason: "no tag"}
	}
	r := reader{kind: Kind(data[0]), data: data, off: 1}
	m.decode(&r)
	r.end()
	if r.err != nil {
		*m = Message{storage: m.storage}
		return r.err
	}
	m.Kind = r.kind
	return nil
}

func (m *Message) decode(r *reader) {
	switch r.kind {
	case KindInsert:
		m.Insert = m.storage.insert(r)
	case KindUpdate:
		m.Update = m.storage.update(r)
	case KindDelete:
		m.Delete = m.storage.delete(r)
	case KindBegin:
		m.Begin = begin(r)
	case KindCommit:
		m.Commit = commit(r)
	case KindMessage:
		m.Logical = logicalMessage(r)
	case KindTruncate:
		m.Truncate = m.storage.truncate(r)
	case KindOrigin:
		m.Origin = Origin{CommitLSN: r.uint64("commit LSN"), Name: r.text("name")}
	case KindRelation:
		m.Relation = relation(r)
	case KindType:
		m.Type = Type{OID: r.uint32("type OID"), Namespace: string(r.text("namespace")), Name: string(r.text("name"))}
	default:
		r.failf(0, "no message of protocol version 1 has this tag")
	}
}

func begin(r *reader) Begin {
	b := Begin{
		FinalLSN:   r.uint64("final LSN"),
		CommitTime: Time(int64(r.uint64("commit time"))),
		XID:        r.uint32("transaction id"),
	}
	if b.FinalLSN == 0 {
		r.failf(1, "final LSN: not set")
	}
	return b
}

func commit(r *reader) Commit {
	r.flags("flags", 0)
	c := Commit{
		CommitLSN:  r.uint64("commit LSN"),
		EndLSN:     r.uint64("end LSN"),
		CommitTime: Time(int64(r.uint64("commit time"))),
	}
	if c.EndLSN <= c.CommitLSN { // it will be confirmed to the server
		r.failf(10, "end LSN: not after the commit LSN")
	}
	return c
}

// columnSize is the least a column of a relation takes: flags, the end of its
// name, type and modifier.
const columnSize = 1 + 1 + 4 + 4

// relation allocates twice, whatever the number of columns: all names are cut
// from one copy of the message.
func relation(r *reader) Relation {
	names := string(r.data)
	name := func(field string) string {
		b := r.text(field)
		if r.err != nil {
			return ""
		}
		end := r.off - 1
		return names[end-len(b) : end]
	}
	rel := Relation{
		ID:              r.uint32("relation id"),
		Namespace:       name("namespace"),
		Name:            name("name"),
		ReplicaIdentity: identity(r),
	}
	count := int(r.uint16("number of columns"))
	if left := len(r.data) - r.off; count > left/columnSize {
		r.failf(r.off-2, "%d columns in %d bytes", count, left)
		return Relation{}
	}
	rel.Columns = make([]Column, count)
	for i := range rel.Columns {
		rel.Columns[i] = Column{
			Key:          r.flags("flags of a column", 1) != 0,
			Name:         name("name of a column"),
			TypeOID:      r.uint32("type OID of a column"),
			TypeModifier: int32(r.uint32("type modifier of a column")),
		}
	}
	return rel
}

func identity(r *reader) ReplicaIdentity {
	switch v := ReplicaIdentity(r.uint8("replica identity")); v {
	case IdentityDefault, IdentityNothing, IdentityFull, IdentityIndex:
		return v
	default:
		r.failf(r.off-1, "unknown replica identity %+q", rune(v))
		return 0
	}
}

func (s *storage) insert(r *reader) Insert {
	i := Insert{RelationID: r.uint32("relation id")}
	if mark := r.uint8("kind of tuple"); mark != 'N' {
		r.failf(r.off-1, "unknown kind of tuple %+q", rune(mark))
	}
	s.newTuple = r.tuple(s.newTuple)
	i.New = s.newTuple
	return i
}

func (s *storage) update(r *reader) Update {
	u := Update{RelationID: r.uint32("relation id")}
	mark := r.uint8("kind of tuple")
	if old := OldKind(mark); old == OldKey || old == OldRow {
		u.OldKind = old
		s.oldTuple = r.tuple(s.oldTuple)
		u.Old = s.oldTuple
		mark = r.uint8("kind of tuple")
	}
	if mark != 'N' {
		r.failf(r.off-1, "unknown kind of tuple %+q", rune(mark))
	}
	s.newTuple = r.tuple(s.newTuple)
	u.New = s.newTuple
	return u
}

func (s *storage) delete(r *reader) Delete {
	d := Delete{RelationID: r.uint32("relation id"), OldKind: OldKind(r.uint8("kind of tuple"))}
	if d.OldKind != OldKey && d.OldKind != OldRow {
		r.failf(r.off-1, "unknown kind of tuple %+q", rune(d.OldKind))
	}
	s.oldTuple = r.tuple(s.oldTuple)
	d.Old = s.oldTuple
	return d
}

func (s *storage) truncate(r *reader) Truncate {
	const cascade, restartIdentity = 1, 2

	count := r.uint32("number of relations")
	options := r.flags("options", cascade|restartIdentity)
	if left := len(r.data) - r.off; uint64(count)*4 != uint64(left) {
		r.failf(1, "%d relations in %d bytes", count, left)
		return Truncate{}
	}
	s.relationIDs = slices.Grow(s.relationIDs[:0], int(count))[:count]
	for i := range s.relationIDs {
		s.relationIDs[i] = r.uint32("relation id")
	}
	return Truncate{
		Cascade:         options&cascade != 0,
		RestartIdentity: options&restartIdentity != 0,
		RelationIDs:     s.relationIDs,
	}
}

func logicalMessage(r *reader) LogicalMessage {
	const transactional = 1

	m := LogicalMessage{
		Transactional: r.flags("flags", transactional) != 0,
		LSN:           r.uint64("LSN"),
		Prefix:        r.text("prefix"),
	}
	length := r.uint32("length of the content")
	if left := len(r.data) - r.off; uint64(length) != uint64(left) {
		r.failf(r.off-4, "content of %d bytes with %d bytes left", length, left)
		return LogicalMessage{}
	}
	m.Content = r.take(int(length), "content")
	return m
}
