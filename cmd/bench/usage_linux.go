package bench

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// used is what the process has used so far.
type used struct {
	cpu     time.Duration
	peakRSS int64 // bytes
}

// usage does not take the peak from getrusage, where it counts the memory of the
// process that started this one.
func usage() used {
	var u used
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return u
	}
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	line, _, _ := bytes.Cut(after, []byte("kB\n"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err == nil {
		u.peakRSS = kib * 1024
	}
	return u
}
