package cdc

import (
	"net"

	"golang.org/x/sys/unix"
)

// lowWaterOf returns what sets the low-water mark of a TCP socket: the bytes that
// have to have arrived before a read that waits is woken. A Unix socket takes a
// mark and does not keep to it: it becomes quiet instead. Behind TLS bytes of the
// socket are not yet bytes of the stream: there it returns nil.
func lowWaterOf(conn net.Conn) func(bytes int) error {
	if quiet, ok := conn.(*quietConn); ok {
		return quiet.setQuiet
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return func(bytes int) (err error) {
		control := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
		})
		if control != nil {
			return control
		}
		return err
	}
}
