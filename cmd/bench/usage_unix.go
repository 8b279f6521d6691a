//go:build unix && !linux

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// used is what the process has used so far.
type used struct {
	cpu     time.Duration
	peakRSS int64 // bytes
}

func usage() used {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return used{}
	}
	rss := int64(r.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" {
		rss *= 1024 // KiB everywhere else
	}
	return used{cpu: time.Duration(r.Utime.Nano() + r.Stime.Nano()), peakRSS: rss}
}
