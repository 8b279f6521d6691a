package cdc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// quietPause is how long a quiet connection sleeps where there is nothing to
// read. A server at full speed fills the socket in about a millisecond.
const quietPause = 500 * time.Microsecond

// quietConn is a Unix socket whose sender wakes nobody while it is set to be
// quiet. These sockets have no low-water mark, and the runtime's poller would be
// woken for each message that is sent, whether or not anybody reads: so the
// socket is taken away from it. Reads wait in the system, or, where the
// connection is quiet, sleep for a moment and look.
//
// One goroutine at a time may read, and one write.
type quietConn struct {
	local, remote net.Addr

	using  sync.RWMutex // held for reading while fd is used, for writing while it is closed
	fd     int
	wake   int // eventfd: ends the wait of a read
	closed atomic.Bool

	quiet         atomic.Bool
	waiting       atomic.Bool  // a read waits, or is about to
	readDeadline  atomic.Int64 // nanoseconds since 1970, 0 for none
	writeDeadline atomic.Int64
}

var _ net.Conn = (*quietConn)(nil)

// quieten takes a Unix socket from the runtime's poller, and returns any other
// connection as it is. The one that was given is not to be used any more.
func quieten(conn net.Conn) (net.Conn, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return conn, nil
	}
	c := &quietConn{local: socket.LocalAddr(), remote: socket.RemoteAddr()}
	raw, err := socket.SyscallConn()
	if err == nil {
		control := raw.Control(func(fd uintptr) { c.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
		err = errors.Join(control, err)
	}
	if err != nil {
		return nil, fmt.Errorf("duplicate connection: %w", err)
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(c.fd)
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	if err := socket.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("close duplicated connection: %w", err), c.Close())
	}
	return c, nil
}

// setQuiet is the low-water mark of a connection that has none.
func (c *quietConn) setQuiet(bytes int) error {
	c.quiet.Store(bytes > 1)
	return nil
}

// Read implements [net.Conn].
func (c *quietConn) Read(p []byte) (int, error) {
	c.using.RLock()
	defer c.using.RUnlock()
	for {
		if c.closed.Load() {
			return 0, c.error("read", net.ErrClosed)
		}
		if _, late := until(&c.readDeadline); late {
			return 0, c.error("read", os.ErrDeadlineExceeded)
		}
		n, err := unix.Read(c.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == nil && len(p) > 0:
			return 0, io.EOF
		case err == nil:
			return 0, nil
		case errors.Is(err, unix.EAGAIN):
			c.await()
		case !errors.Is(err, unix.EINTR):
			return 0, c.error("read", os.NewSyscallError("read", err))
		}
	}
}

// await waits until there may be something to read, the deadline has come, or
// another one was set.
func (c *quietConn) await() {
	c.waiting.Store(true) // a deadline that is set from here on ends the wait
	defer c.waiting.Store(false)
	left, late := until(&c.readDeadline)
	if late || c.closed.Load() {
		return
	}
	events := []unix.PollFd{{Fd: int32(c.wake), Events: unix.POLLIN}, {Fd: int32(c.fd), Events: unix.POLLIN}}
	if c.quiet.Load() {
		events = events[:1]
		left = min(left, quietPause)
	}
	poll(events, left)
	if events[0].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(c.wake, count[:])
	}
}

// Write implements [net.Conn]. A deadline that is set while it waits is that of
// the next write.
func (c *quietConn) Write(p []byte) (written int, err error) {
	c.using.RLock()
	defer c.using.RUnlock()
	for written < len(p) {
		if c.closed.Load() {
			return written, c.error("write", net.ErrClosed)
		}
		left, late := until(&c.writeDeadline)
		if late {
			return written, c.error("write", os.ErrDeadlineExceeded)
		}
		n, err := unix.SendmsgN(c.fd, p[written:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			written += n
		case errors.Is(err, unix.EAGAIN):
			poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}, left)
		case !errors.Is(err, unix.EINTR):
			return written, c.error("write", os.NewSyscallError("sendmsg", err))
		}
	}
	return written, nil
}

// Close implements [net.Conn].
func (c *quietConn) Close() error {
	if c.closed.Swap(true) {
		return c.error("close", net.ErrClosed)
	}
	_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // ends waits for the socket
	c.rouse()
	c.using.Lock()
	defer c.using.Unlock()
	return errors.Join(unix.Close(c.fd), unix.Close(c.wake))
}

// SetDeadline implements [net.Conn].
func (c *quietConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements [net.Conn].
func (c *quietConn) SetReadDeadline(t time.Time) error {
	c.using.RLock()
	defer c.using.RUnlock()
	if c.closed.Load() {
		return c.error("set", net.ErrClosed)
	}
	c.readDeadline.Store(nanoseconds(t))
	if c.waiting.Load() {
		c.rouse()
	}
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *quietConn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.error("set", net.ErrClosed)
	}
	c.writeDeadline.Store(nanoseconds(t))
	return nil
}

// LocalAddr implements [net.Conn].
func (c *quietConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements [net.Conn].
func (c *quietConn) RemoteAddr() net.Addr { return c.remote }

// rouse ends the wait of a read.
func (c *quietConn) rouse() {
	one := [8]byte{1, 1, 1, 1, 1, 1, 1, 1} // a number in whatever order of bytes
	_, _ = unix.Write(c.wake, one[:])
}

func (c *quietConn) error(op string, err error) error {
	return &net.OpError{Op: op, Net: "unix", Source: c.local, Addr: c.remote, Err: err}
}

// poll waits for events, for up to a time.
func poll(events []unix.PollFd, most time.Duration) {
	timeout := unix.NsecToTimespec(int64(most))
	_, _ = unix.Ppoll(events, &timeout, nil) // whatever it says, who waits looks again
}

// longWait stands for no deadline: who waits looks again after it.
const longWait = time.Hour

// until returns the time to a deadline.
func until(deadline *atomic.Int64) (left time.Duration, late bool) {
	at := deadline.Load()
	if at == 0 {
		return longWait, false
	}
	left = time.Duration(at - time.Now().UnixNano())
	return left, left <= 0
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixNano(), 1)
}
