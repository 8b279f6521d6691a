package pgoutput_test

import (
	"fmt"
	"strings"
	"testing"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

func BenchmarkDecodeInsert(b *testing.B) {
	for _, columns := range []int{5, 23} { // a column list, a whole row
		b.Run(fmt.Sprintf("columns=%d", columns), func(b *testing.B) {
			row := make(pgoutput.Tuple, columns)
			for i := range row {
				row[i] = pgoutputtest.Text(strings.Repeat("x", 4+32*(i%2)))
			}
			benchmarkDecode(b, pgoutputtest.AppendInsert(nil, pgoutput.Insert{RelationID: 16_391, New: row}))
		})
	}
}

// BenchmarkDecode shows what each kind of message costs: a transaction of one
// row is three of them.
func BenchmarkDecode(b *testing.B) {
	for _, message := range oneOfEachKind() {
		b.Run(message.Kind.String(), func(b *testing.B) {
			benchmarkDecode(b, pgoutputtest.Append(nil, message))
		})
	}
}

func benchmarkDecode(b *testing.B, data []byte) {
	b.Helper()
	var m pgoutput.Message
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := m.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
