package demo

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryLimit is what the garbage collector aims to stay below, the memory of the
// process that Go does not manage included. GOMEMLIMIT overrides it.
const memoryLimit = 160 << 20

// limitMemory sets the limit, and returns what sets it back.
func limitMemory() func() {
	if before := debug.SetMemoryLimit(-1); before != math.MaxInt64 {
		return func() {}
	}
	before := debug.SetMemoryLimit(memoryLimit)
	return func() { debug.SetMemoryLimit(before) }
}

// peakRSS returns the most memory that the process has had so far, in MiB, or 0
// where the system does not tell.
func peakRSS() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\nVmHWM:")
	line, _, _ := strings.Cut(after, "\n")
	kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")), 64)
	if err != nil {
		return 0
	}
	return round(kib/1024, 10)
}
