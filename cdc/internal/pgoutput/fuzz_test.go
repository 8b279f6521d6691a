package pgoutput_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// FuzzDecode: whatever the bytes, Decode returns, and either refuses them whole
// or gives a message that has this one encoding. Its corpus in testdata/fuzz has
// messages of a real server and some that lie about their lengths.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		var m pgoutput.Message
		if err := m.Decode(data); err != nil {
			checkRefusal(t, data, &m, err)
			return
		}
		if got := pgoutputtest.Append(nil, &m); !bytes.Equal(got, data) {
			t.Errorf("%s message encoded again\n got %x\nwant %x", m.Kind, got, data)
		}
		// Twice what the shortest columns and ids take, for the rounding of the allocator.
		held := cap(m.Insert.New) + cap(m.Update.Old) + cap(m.Update.New) + cap(m.Delete.Old) +
			cap(m.Relation.Columns) + cap(m.Truncate.RelationIDs)
		if held > 2*len(data) {
			t.Errorf("%s message of %d bytes: %d elements allocated", m.Kind, len(data), held)
		}
	})
}

func checkRefusal(t *testing.T, data []byte, m *pgoutput.Message, err error) {
	t.Helper()
	var malformed *pgoutput.Error
	if !errors.As(err, &malformed) {
		t.Fatalf("error %v, want a *pgoutput.Error", err)
	}
	if malformed.Offset < 0 || malformed.Offset > len(data) || malformed.Reason == "" {
		t.Errorf("message of %d bytes: error %+v", len(data), malformed)
	}
	var empty pgoutput.Message
	if diff := cmp.Diff(exported(&empty), exported(m)); diff != "" {
		t.Errorf("message after error (-want +got):\n%s", diff)
	}
}

// FuzzRoundTrip: what is encoded is decoded to the same.
func FuzzRoundTrip(f *testing.F) {
	for i := range oneOfEachKind() {
		f.Add(byte(i), uint32(16_391), uint64(1<<40), int64(762_525_296_789_012), "name", []byte("tnubt"), []byte("content"))
	}
	f.Fuzz(func(t *testing.T, kind byte, id uint32, lsn uint64, micros int64, name string, shape, content []byte) {
		kinds := oneOfEachKind()
		want := (&ingredients{
			id: id, lsn: max(lsn, 1), micros: micros, name: strings.ReplaceAll(name, "\x00", ""), shape: shape, content: content,
		}).message(kinds[int(kind)%len(kinds)].Kind)

		var got pgoutput.Message
		if err := got.Decode(pgoutputtest.Append(nil, want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(exported(want), exported(&got), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s message (-want +got):\n%s", want.Kind, diff)
		}
	})
}

// ingredients is what FuzzRoundTrip makes a message of.
type ingredients struct {
	id      uint32
	lsn     uint64
	micros  int64
	name    string
	shape   []byte // a byte for each column, flag or relation
	content []byte
}

func (in *ingredients) message(kind pgoutput.Kind) *pgoutput.Message {
	at := pgoutput.Time(in.micros)
	m := &pgoutput.Message{Kind: kind}
	switch kind {
	case pgoutput.KindBegin:
		m.Begin = pgoutput.Begin{FinalLSN: in.lsn, CommitTime: at, XID: in.id}
	case pgoutput.KindCommit:
		m.Commit = pgoutput.Commit{CommitLSN: in.lsn - 1, EndLSN: in.lsn, CommitTime: at}
	case pgoutput.KindOrigin:
		m.Origin = pgoutput.Origin{CommitLSN: in.lsn, Name: []byte(in.name)}
	case pgoutput.KindRelation:
		m.Relation = pgoutput.Relation{
			ID: in.id, Namespace: in.name, Name: in.name, ReplicaIdentity: pgoutput.IdentityNothing, Columns: in.columns(),
		}
	case pgoutput.KindType:
		m.Type = pgoutput.Type{OID: in.id, Namespace: in.name, Name: in.name}
	case pgoutput.KindInsert:
		m.Insert = pgoutput.Insert{RelationID: in.id, New: in.tuple()}
	case pgoutput.KindUpdate:
		m.Update = pgoutput.Update{RelationID: in.id, New: in.tuple()}
		if in.flag() {
			m.Update.OldKind, m.Update.Old = pgoutput.OldRow, in.tuple()
		}
	case pgoutput.KindDelete:
		m.Delete = pgoutput.Delete{RelationID: in.id, OldKind: pgoutput.OldKey, Old: in.tuple()}
	case pgoutput.KindTruncate:
		m.Truncate = pgoutput.Truncate{Cascade: in.flag(), RestartIdentity: !in.flag()}
		for _, b := range in.shape {
			m.Truncate.RelationIDs = append(m.Truncate.RelationIDs, in.id+uint32(b))
		}
	case pgoutput.KindMessage:
		m.Logical = pgoutput.LogicalMessage{
			Transactional: in.flag(), LSN: in.lsn, Prefix: []byte(in.name), Content: in.content,
		}
	}
	return m
}

func (in *ingredients) flag() bool { return in.id%2 == 0 }

func (in *ingredients) columns() []pgoutput.Column {
	columns := make([]pgoutput.Column, min(len(in.shape), 1600))
	for i := range columns {
		b := in.shape[i]
		columns[i] = pgoutput.Column{
			Name: in.name[:int(b)%(len(in.name)+1)], Key: b%2 == 0, TypeOID: in.id, TypeModifier: int32(in.micros),
		}
	}
	return columns
}

// tuple has a column for each byte of shape. Each value takes its share of what
// is left of content.
func (in *ingredients) tuple() pgoutput.Tuple {
	tuple := make(pgoutput.Tuple, min(len(in.shape), 1600))
	left := string(in.content)
	for i := range tuple {
		n := int(in.shape[i]) % (len(left) + 1)
		switch in.shape[i] % 4 {
		case 0:
			tuple[i] = pgoutputtest.Text(left[:n])
			left = left[n:]
		case 1:
			tuple[i] = pgoutputtest.Binary([]byte(left[:n])...)
			left = left[n:]
		case 2:
			tuple[i] = pgoutputtest.Null()
		case 3:
			tuple[i] = pgoutputtest.Unchanged()
		}
	}
	return tuple
}
