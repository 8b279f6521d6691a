package pgoutputtest_test

import (
	"math"
	"testing"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

func TestAppendKeepsWhatIsThere(t *testing.T) {
	got := pgoutputtest.AppendInsert([]byte("before"), pgoutput.Insert{RelationID: 1, New: pgoutputtest.Row("a")})
	if want := "beforeI\x00\x00\x00\x01N\x00\x01t\x00\x00\x00\x01a"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAppendPanicsOnWhatTheFormatCannotCarry(t *testing.T) {
	tests := map[string]*pgoutput.Message{
		"zero byte in a name": {Kind: pgoutput.KindType, Type: pgoutput.Type{Name: "a\x00b"}},
		"too many columns":    {Kind: pgoutput.KindInsert, Insert: pgoutput.Insert{New: make(pgoutput.Tuple, math.MaxUint16+1)}},
		"no kind":             {},
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			pgoutputtest.Append(nil, m)
		})
	}
}
