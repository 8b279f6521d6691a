//go:build !unix

package bench

import "time"

// used is what the process has used so far, which is not known here.
type used struct {
	cpu     time.Duration
	peakRSS int64
}

func usage() used { return used{} }
