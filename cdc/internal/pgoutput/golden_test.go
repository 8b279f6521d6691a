package pgoutput_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// wantText is testdata/capture.sql as it must come out, written from the SQL.
const wantText = `
begin
type public.mood
relation public.orders d *order_id:bigint customer:varchar(44) state:mood total:numeric(655366) paid:boolean note:text
insert orders N 1 Ada calm 12.50 t null
insert orders N 2 "" null null f "züge\n\"quoted\""
commit
begin
insert orders N 3 Bo cross -1.00 null long×420
commit
begin
update orders N 3 Bo cross -1.00 t unchanged
commit
begin
update orders K 1 null null null null null N 4 Ada calm 12.50 t null
commit
begin
delete orders K 2 null null null null null
commit
begin
relation public.audit f *id:int *what:text *detail:text
insert audit N 1 made more×420
insert audit N 2 null null
commit
begin
update audit O 1 made more×420 N 1 changed unchanged
commit
begin
delete audit O 2 null null
commit
begin
relation public.lines i *line_id:int order_id:bigint *tenant:text
insert lines N 10 4 north
commit
begin
update lines N 10 4 north
commit
begin
update lines K 10 null north N 10 4 south
commit
begin
delete lines K 10 null south
commit
begin
relation public.ticks d
insert ticks N
commit
message outside "ping" transactional=false
begin
insert lines N 11 4 north
message inside "\x00\xff" transactional=true
type public.mood
relation public.orders d *order_id:bigint customer:varchar(44) state:mood total:numeric(655366) paid:boolean note:text added:int
insert orders N 5 null null null null null 7
commit
begin
type public.mood
relation public.orders d *order_id:bigint customer:varchar(44) state:mood total:numeric(655366) paid:boolean note:text added:int
relation public.lines i *line_id:int order_id:bigint *tenant:text
truncate orders lines cascade=true restart=true
commit
begin
relation public.audit f *id:int *what:text *detail:text
truncate audit cascade=false restart=false
commit
begin
origin elsewhere AB/CDEF0123
relation public.lines i *line_id:int order_id:bigint *tenant:text
insert lines N 13 5 west
commit
`

// wantBinary is the beginning of the same with binary values. The numerics are
// in base 10,000: digits, weight, sign, scale, then 12 and 5000.
const wantBinary = `
begin
type public.mood
relation public.orders d *order_id:bigint customer:varchar(44) state:mood total:numeric(655366) paid:boolean note:text
insert orders N b"\x00\x00\x00\x00\x00\x00\x00\x01" b"Ada" b"calm" b"\x00\x02\x00\x00\x00\x00\x00\x02\x00\f\x13\x88" b"\x01" null
insert orders N b"\x00\x00\x00\x00\x00\x00\x00\x02" b"" null null b"\x00" b"züge\n\"quoted\""
`

func TestDecodesWhatARealServerSends(t *testing.T) {
	c := readCapture(t)
	for slot, want := range map[string]string{"text": wantText, "binary": wantBinary} {
		t.Run(slot, func(t *testing.T) {
			var (
				m      pgoutput.Message
				got    strings.Builder
				opened pgoutput.Begin
			)
			got.WriteByte('\n')
			for _, captured := range c.messages {
				if captured.slot != slot {
					continue
				}
				if err := m.Decode(captured.data); err != nil {
					t.Fatalf("%x: %v", captured.data, err)
				}
				got.WriteString(c.describe(&m) + "\n")
				if m.Kind == pgoutput.KindBegin {
					opened = m.Begin
				}
				c.checkPositions(t, captured, &m, opened)
			}
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Errorf("decoded messages (-want +got):\n%s", diff)
			}
		})
	}
}

// checkPositions compares LSNs, transaction ids and times with those that the
// server gave beside the message or through SQL.
func (c *capture) checkPositions(t *testing.T, captured capturedMessage, m *pgoutput.Message, opened pgoutput.Begin) {
	t.Helper()
	committed := pgoutput.Time(c.committed[captured.xid])
	switch m.Kind {
	case pgoutput.KindBegin:
		if want := (pgoutput.Begin{FinalLSN: m.Begin.FinalLSN, CommitTime: committed, XID: captured.xid}); m.Begin != want {
			t.Errorf("begin %+v, want %+v", m.Begin, want)
		}
	case pgoutput.KindCommit:
		if want := (pgoutput.Commit{CommitLSN: opened.FinalLSN, EndLSN: captured.lsn, CommitTime: committed}); m.Commit != want {
			t.Errorf("commit %+v, want %+v", m.Commit, want)
		}
	case pgoutput.KindMessage:
		if want := c.emitted[string(m.Logical.Prefix)]; m.Logical.LSN != want || want != captured.lsn {
			t.Errorf("message %s: LSN %d, want %d and %d", m.Logical.Prefix, m.Logical.LSN, want, captured.lsn)
		}
	default: // has no position
	}
}

func TestEncodesWhatARealServerSends(t *testing.T) {
	var m pgoutput.Message
	for _, captured := range readCapture(t).messages {
		if err := m.Decode(captured.data); err != nil {
			t.Fatalf("%x: %v", captured.data, err)
		}
		if got := pgoutputtest.Append(nil, &m); !slices.Equal(got, captured.data) {
			t.Errorf("%s message encoded again\n got %x\nwant %x", m.Kind, got, captured.data)
		}
	}
}

// describe writes a message as a line of the transcript, OIDs replaced by names.
func (c *capture) describe(m *pgoutput.Message) string {
	switch m.Kind {
	case pgoutput.KindOrigin:
		return fmt.Sprintf("origin %s %X/%X", m.Origin.Name, m.Origin.CommitLSN>>32, uint32(m.Origin.CommitLSN))
	case pgoutput.KindRelation:
		return c.describeRelation(m.Relation)
	case pgoutput.KindType:
		if m.Type.Name != c.types[m.Type.OID] {
			return fmt.Sprintf("type %d is not %s", m.Type.OID, m.Type.Name)
		}
		return "type " + m.Type.Namespace + "." + m.Type.Name
	case pgoutput.KindInsert:
		return "insert " + c.relations[m.Insert.RelationID] + describeTuple('N', m.Insert.New)
	case pgoutput.KindUpdate:
		line := "update " + c.relations[m.Update.RelationID]
		if m.Update.OldKind != pgoutput.OldNone {
			line += describeTuple(m.Update.OldKind, m.Update.Old)
		}
		return line + describeTuple('N', m.Update.New)
	case pgoutput.KindDelete:
		return "delete " + c.relations[m.Delete.RelationID] + describeTuple(m.Delete.OldKind, m.Delete.Old)
	case pgoutput.KindTruncate:
		names := make([]string, len(m.Truncate.RelationIDs))
		for i, id := range m.Truncate.RelationIDs {
			names[i] = c.relations[id]
		}
		return fmt.Sprintf("truncate %s cascade=%t restart=%t",
			strings.Join(names, " "), m.Truncate.Cascade, m.Truncate.RestartIdentity)
	case pgoutput.KindMessage:
		return fmt.Sprintf("message %s %q transactional=%t", m.Logical.Prefix, m.Logical.Content, m.Logical.Transactional)
	default:
		return m.Kind.String()
	}
}

func (c *capture) describeRelation(rel pgoutput.Relation) string {
	builtIn := map[uint32]string{16: "boolean", 20: "bigint", 23: "int", 25: "text", 1043: "varchar", 1700: "numeric"}
	words := []string{fmt.Sprintf("relation %s.%s %c", rel.Namespace, rel.Name, rel.ReplicaIdentity)}
	if rel.Name != c.relations[rel.ID] {
		words = append(words, fmt.Sprintf("is not %d", rel.ID))
	}
	for _, column := range rel.Columns {
		word := column.Name + ":" + builtIn[column.TypeOID] + c.types[column.TypeOID]
		if column.Key {
			word = "*" + word
		}
		if column.TypeModifier != -1 {
			word += fmt.Sprintf("(%d)", column.TypeModifier)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// describeTuple begins with a space, so that it can follow a name.
func describeTuple(kind pgoutput.OldKind, tuple pgoutput.Tuple) string {
	words := []string{"", string(rune(kind))}
	for _, v := range tuple {
		words = append(words, describeValue(v))
	}
	return strings.Join(words, " ")
}

// describeValue quotes a text that is empty or has odd characters, and shortens
// one that repeats a word of five letters.
func describeValue(v pgoutput.Value) string {
	text := string(v.Data)
	switch v.Kind {
	case pgoutput.ValueNull:
		return "null"
	case pgoutput.ValueUnchanged:
		return "unchanged"
	case pgoutput.ValueBinary:
		return "b" + strconv.Quote(text)
	case pgoutput.ValueText:
		if len(text) > 100 && text == strings.Repeat(text[:5], len(text)/5) {
			return fmt.Sprintf("%s×%d", strings.TrimSpace(text[:5]), len(text)/5)
		}
		if text == "" || strings.ContainsAny(text, "\n\" ") {
			return strconv.Quote(text)
		}
	}
	return text
}
