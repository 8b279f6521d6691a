package pgoutput_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

func TestMalformedMessageIsAnErrorWithItsPlace(t *testing.T) {
	tests := []struct {
		name   string
		data   string
		kind   pgoutput.Kind
		offset int
		reason string
	}{
		{"empty", "", 0, 0, "no tag"},
		{"unknown tag", "?", '?', 0, "no message of protocol version 1 has this tag"},
		{"message of a later protocol", "S\x00\x00\x02\xe0\x01", 'S', 0, "no message of protocol version 1 has this tag"},

		{"begin cut", "B\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00", 'B', 9, "commit time: 8 bytes wanted, 2 left"},
		{"begin without LSN", "B" + zeros(8+8+4), 'B', 1, "final LSN: not set"},
		{"commit with flags", "C\x80" + zeros(8+8+8), 'C', 1, "flags: unknown bits in 0x80"},
		{"commit with its end at its start", "C\x00" + zeros(7) + "\x05" + zeros(7) + "\x05" + zeros(8), 'C', 10, "end LSN: not after the commit LSN"},
		{"bytes left over", "B" + zeros(7) + "\x01" + zeros(8+4) + "xy", 'B', 21, "2 bytes left over after its end"},

		{"origin without end of name", "O" + zeros(8) + "name", 'O', 9, "name: no zero byte ends it"},
		{"type without name", "Y\x00\x00\x40\x02public\x00", 'Y', 12, "name: no zero byte ends it"},
		{"relation without end of namespace", "R\x00\x00\x40\x07public", 'R', 5, "namespace: no zero byte ends it"},
		{"relation with unknown identity", "R\x00\x00\x40\x07p\x00t\x00x\x00\x00", 'R', 9, "unknown replica identity 'x'"},
		{"relation with too many columns", "R\x00\x00\x40\x07p\x00t\x00d\xff\xff" + zeros(10), 'R', 10, "65535 columns in 10 bytes"},
		{"relation with unknown column flags", "R\x00\x00\x40\x07p\x00t\x00d\x00\x01\x02" + zeros(9), 'R', 12, "flags of a column: unknown bits in 0x02"},
		{"relation cut in a column", "R\x00\x00\x40\x07p\x00t\x00d\x00\x01\x01column\x00" + zeros(5), 'R', 24, "type modifier of a column: 4 bytes wanted, 1 left"},

		{"insert with old tuple", "I\x00\x00\x40\x07O\x00\x00", 'I', 5, "unknown kind of tuple 'O'"},
		{"insert without tuple", "I\x00\x00\x40\x07", 'I', 5, "kind of tuple: 1 bytes wanted, 0 left"},
		{"tuple with too many columns", "I\x00\x00\x40\x07N\xff\xffnnn", 'I', 6, "tuple of 65535 columns in 3 bytes"},
		{"tuple cut before a column", "I\x00\x00\x40\x07N\x00\x02t\x00\x00\x00\x00", 'I', 13, "column 1 of 2: message ends before its kind"},
		{"tuple cut in a length", "I\x00\x00\x40\x07N\x00\x02nt\x00\x00\x00", 'I', 10, "column 1 of 2: message ends in its length"},
		{"value longer than the message", "I\x00\x00\x40\x07N\x00\x01t\x00\x00\x00\x04abc", 'I', 9, "column 0 of 1: length 4 with 3 bytes left"},
		{"value of negative length", "I\x00\x00\x40\x07N\x00\x01b\xff\xff\xff\xffabc", 'I', 9, "column 0 of 1: length 4294967295 with 3 bytes left"},
		{"unknown kind of value", "I\x00\x00\x40\x07N\x00\x02nx", 'I', 9, "column 1 of 2: unknown kind of value 'x'"},
		{"tuple with too few columns", "I\x00\x00\x40\x07N\x00\x01nn", 'I', 9, "1 bytes left over after its end"},

		{"update with two old tuples", "U\x00\x00\x40\x07K\x00\x01nO\x00\x01nN\x00\x01n", 'U', 9, "unknown kind of tuple 'O'"},
		{"update without new tuple", "U\x00\x00\x40\x07K\x00\x01n", 'U', 9, "kind of tuple: 1 bytes wanted, 0 left"},
		{"update with malformed new tuple", "U\x00\x00\x40\x07O\x00\x01nN\x00\x01\x00", 'U', 12, "column 0 of 1: unknown kind of value '\\x00'"},
		{"delete with new tuple", "D\x00\x00\x40\x07N\x00\x01n", 'D', 5, "unknown kind of tuple 'N'"},

		{"truncate with too many relations", "T\xff\xff\xff\xff\x00" + zeros(8), 'T', 1, "4294967295 relations in 8 bytes"},
		{"truncate with too few relations", "T\x00\x00\x00\x01\x00" + zeros(8), 'T', 1, "1 relations in 8 bytes"},
		{"truncate with unknown options", "T\x00\x00\x00\x01\x04" + zeros(4), 'T', 5, "options: unknown bits in 0x04"},

		{"logical message with unknown flags", "M\x02" + zeros(8+1+4), 'M', 1, "flags: unknown bits in 0x02"},
		{"logical message without end of prefix", "M\x00" + zeros(8) + "prefix", 'M', 10, "prefix: no zero byte ends it"},
		{"logical message longer than it says", "M\x00" + zeros(8) + "p\x00\x00\x00\x00\x01ab", 'M', 12, "content of 1 bytes with 2 bytes left"},
		{"logical message shorter than it says", "M\x00" + zeros(8) + "p\x00\xff\xff\xff\xffab", 'M', 12, "content of 4294967295 bytes with 2 bytes left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m pgoutput.Message
			err := m.Decode([]byte(tt.data))
			var got *pgoutput.Error
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want a *pgoutput.Error", err)
			}
			want := &pgoutput.Error{Kind: tt.kind, Offset: tt.offset, Reason: tt.reason}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func zeros(n int) string { return string(make([]byte, n)) }

func TestErrorNamesMessagePlaceAndReason(t *testing.T) {
	tests := map[string]string{
		"I\x00\x00\x40\x07N\x00\x01t\x00\x00\x00\x04abc": "decode pgoutput insert message: byte 9: column 0 of 1: length 4 with 3 bytes left",
		"S":    "decode pgoutput 'S' message: byte 0: no message of protocol version 1 has this tag",
		"\xff": "decode pgoutput '\\u00ff' message: byte 0: no message of protocol version 1 has this tag",
		"":     "decode pgoutput empty message: byte 0: no tag",
	}
	for data, want := range tests {
		var m pgoutput.Message
		if err := m.Decode([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("decode %q: error %v, want %s", data, err, want)
		}
	}
}

func TestEveryCutOrLengthenedMessageIsAnError(t *testing.T) {
	var m pgoutput.Message
	for _, captured := range readCapture(t).messages {
		for n := range captured.data {
			if err := m.Decode(captured.data[:n]); err == nil {
				t.Fatalf("first %d bytes of %x: no error", n, captured.data)
			}
		}
		if err := m.Decode(append(captured.data, 0)); err == nil {
			t.Fatalf("%x and a zero byte: no error", captured.data)
		}
	}
}

// exported returns m's exported fields.
func exported(m *pgoutput.Message) map[string]any {
	fields := make(map[string]any)
	v := reflect.ValueOf(m).Elem()
	for field := range v.Type().Fields() {
		if field.IsExported() {
			fields[field.Name] = v.FieldByIndex(field.Index).Interface()
		}
	}
	return fields
}

func TestMessageHoldsNothingOfTheMessageBefore(t *testing.T) {
	messages := oneOfEachKind()
	for _, before := range messages {
		for _, want := range messages {
			var m pgoutput.Message
			if err := m.Decode(pgoutputtest.Append(nil, before)); err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(pgoutputtest.Append(nil, want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(exported(want), exported(&m)); diff != "" {
				t.Errorf("%s after %s (-want +got):\n%s", want.Kind, before.Kind, diff)
			}
		}
	}
}

func TestMessageIsEmptyAfterAnError(t *testing.T) {
	var empty, m pgoutput.Message
	for _, before := range oneOfEachKind() {
		for _, next := range oneOfEachKind() {
			if err := m.Decode(pgoutputtest.Append(nil, before)); err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(append(pgoutputtest.Append(nil, next), 0)); err == nil {
				t.Fatalf("%s with a byte left over: no error", next.Kind)
			}
			if diff := cmp.Diff(exported(&empty), exported(&m)); diff != "" {
				t.Errorf("after a malformed %s (-want +got):\n%s", next.Kind, diff)
			}
		}
	}
}

func TestRelationAndTypeAreKept(t *testing.T) {
	for _, want := range oneOfEachKind() {
		if want.Kind != pgoutput.KindRelation && want.Kind != pgoutput.KindType {
			continue
		}
		var m pgoutput.Message
		data := pgoutputtest.Append(nil, want)
		if err := m.Decode(data); err != nil {
			t.Fatal(err)
		}
		relation, typ := m.Relation, m.Type
		clear(data)
		if err := m.Decode(pgoutputtest.AppendRelation(nil, pgoutput.Relation{
			ReplicaIdentity: pgoutput.IdentityFull, Columns: make([]pgoutput.Column, 2),
		})); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Relation, relation); diff != "" {
			t.Errorf("relation (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.Type, typ); diff != "" {
			t.Errorf("type (-want +got):\n%s", diff)
		}
	}
}

func TestAppendingToAValueLeavesTheNextOneAlone(t *testing.T) {
	var m pgoutput.Message
	data := pgoutputtest.AppendInsert(nil, pgoutput.Insert{New: pgoutputtest.Row("one", "two")})
	if err := m.Decode(data); err != nil {
		t.Fatal(err)
	}
	_ = append(m.Insert.New[0].Data, "overwritten"...)
	if diff := cmp.Diff(pgoutputtest.Row("one", "two"), m.Insert.New); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}
