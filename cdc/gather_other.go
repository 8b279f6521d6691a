//go:build !linux

package cdc

import "net"

// quieten returns the connection as it is.
func quieten(conn net.Conn) (net.Conn, error) { return conn, nil }

// lowWaterOf returns nil: reads are not gathered.
func lowWaterOf(net.Conn) func(int) error { return nil }
