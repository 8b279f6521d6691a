//go:build !linux

package cdc

import (
	"net"
	"syscall"
)

// limitUnanswered leaves the limit to the system.
func limitUnanswered(string, string, syscall.RawConn) error { return nil }

// lowWaterOf returns nil: reads are not gathered.
func lowWaterOf(net.Conn) func(int) error { return nil }
