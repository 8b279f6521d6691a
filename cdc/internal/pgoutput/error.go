package pgoutput

import "fmt"

// Error is the error of [Message.Decode]: bytes that are not a message of
// protocol version 1. Such a message must not be skipped: what it said is
// unknown, so what follows it cannot be trusted either.
type Error struct {
	Kind   Kind   // tag of the message, 0 for an empty one
	Offset int    // byte of the message, from its tag at 0, where the fault lies
	Reason string // names fields, lengths and kinds, never values of columns
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("decode pgoutput %s message: byte %d: %s", e.Kind, e.Offset, e.Reason)
}
