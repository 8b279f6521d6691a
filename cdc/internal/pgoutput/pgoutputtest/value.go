package pgoutputtest

import "changefeed/cdc/internal/pgoutput"

// Row returns a tuple of text values.
func Row(values ...string) pgoutput.Tuple {
	t := make(pgoutput.Tuple, len(values))
	for i, v := range values {
		t[i] = Text(v)
	}
	return t
}

// Text returns a value in text form.
func Text(s string) pgoutput.Value {
	return pgoutput.Value{Kind: pgoutput.ValueText, Data: []byte(s)}
}

// Binary returns a value in binary form.
func Binary(b ...byte) pgoutput.Value {
	return pgoutput.Value{Kind: pgoutput.ValueBinary, Data: append([]byte{}, b...)}
}

// Null returns a null.
func Null() pgoutput.Value { return pgoutput.Value{Kind: pgoutput.ValueNull} }

// Unchanged returns the mark of a value that is stored out of line and was not
// touched.
func Unchanged() pgoutput.Value { return pgoutput.Value{Kind: pgoutput.ValueUnchanged} }
