package cdc

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unansweredLimit is how long the server's machine may leave a status update
// without an acknowledgement before the connection counts as lost. By itself the
// network would wait for a quarter of an hour.
const unansweredLimit = 30 * time.Second

// limitUnanswered sets the limit on a TCP socket.
func limitUnanswered(network, _ string, conn syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	control := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unansweredLimit.Milliseconds()))
	})
	if control != nil {
		return control
	}
	return err
}

// lowWaterOf returns what sets the low-water mark of a TCP socket: the bytes that
// have to have arrived before a read that waits is woken. A Unix socket takes a
// mark and does not keep to it, and behind TLS bytes of the socket are not yet
// bytes of the stream: for these it returns nil.
func lowWaterOf(conn net.Conn) func(bytes int) error {
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
