package bench

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// canGather tells whether the system has low-water marks that are kept to.
const canGather = true

// setLowWater sets how many bytes have to have arrived at a TCP socket before a
// read that waits is woken.
func setLowWater(conn net.Conn, bytes int) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("not a TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
	})
	return errors.Join(control, err)
}
