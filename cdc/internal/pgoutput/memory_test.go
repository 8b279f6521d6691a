package pgoutput_test

import (
	"runtime"
	"testing"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

func TestDecodeAllocatesOnlyForRelationsAndTypes(t *testing.T) {
	want := map[pgoutput.Kind]float64{
		pgoutput.KindRelation: 2, // names, columns
		pgoutput.KindType:     2, // names
	}
	for _, message := range oneOfEachKind() {
		data := pgoutputtest.Append(nil, message)
		var m pgoutput.Message
		got := testing.AllocsPerRun(100, func() {
			if err := m.Decode(data); err != nil {
				t.Fatal(err)
			}
		})
		if got != want[message.Kind] {
			t.Errorf("%s message: %v allocations, want %v", message.Kind, got, want[message.Kind])
		}
	}
}

func TestDecodeAllocatesNothingForAStreamOfRows(t *testing.T) {
	var rows [][]byte
	for _, captured := range readCapture(t).messages {
		if k := pgoutput.Kind(captured.data[0]); k != pgoutput.KindRelation && k != pgoutput.KindType {
			rows = append(rows, captured.data)
		}
	}
	var m pgoutput.Message
	got := testing.AllocsPerRun(20, func() {
		for _, data := range rows {
			if err := m.Decode(data); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for %d messages, want none", got, len(rows))
	}
}

func TestCountThatLiesTakesNoMemory(t *testing.T) {
	tests := map[string]string{
		"truncate": "T\xff\xff\xff\xff\x00" + zeros(4),
		"relation": "R\x00\x00\x40\x07p\x00t\x00d\xff\xff" + zeros(10),
		"insert":   "I\x00\x00\x40\x07N\xff\xffnnn",
		"update":   "U\x00\x00\x40\x07K\xff\xffnnn",
		"message":  "M\x00" + zeros(8) + "p\x00\xff\xff\xff\xffab",
	}
	for name, text := range tests {
		data := []byte(text)
		var m pgoutput.Message
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := m.Decode(data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		// The error and its text; the smallest honest answer to a count
		// of 65,535 columns would be two megabytes.
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<10 {
			t.Errorf("%s: %d bytes allocated for a message of %d bytes", name, got, len(data))
		}
	}
}
