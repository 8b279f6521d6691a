package stack

import (
	"math"
	"runtime/debug"
)

// What the garbage collector aims to stay below, the memory of the process that
// Go does not manage included: a publisher holds some queues, and bounds them, so
// that a heap grown to twice of what is in use is a waste.
const (
	publishMemory   = 16 << 20
	publisherMemory = 20 << 20
)

// LimitMemory tells the garbage collector what so many publishers alone in a
// process need. GOMEMLIMIT overrides it.
func LimitMemory(publishers int) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(publishMemory + int64(publishers)*publisherMemory)
	}
}
