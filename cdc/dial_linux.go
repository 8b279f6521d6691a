package cdc

import (
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
