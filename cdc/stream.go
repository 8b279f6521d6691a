package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// streamBuffer is what one read takes at most, but for a message that is
	// larger.
	streamBuffer = 256 << 10
	// largestMessage is the largest message that a server can make: it builds each in
	// a buffer of less than 1 GiB.
	largestMessage = 1 << 30
	// messageHeader is the tag of a message and its length, which counts itself
	// and not the tag.
	messageHeader = 1 + 4
)

// errInterrupted is returned by reads that interrupt has ended.
var errInterrupted = errors.New("reading was interrupted")

// stream cuts what the server sends into messages, once replication has started.
// It reads much at a time, in place of pgconn's reader, whose buffer holds a few
// rows, and where rows follow each other closely it lets them gather: see gather.
//
// Its methods are the receiving goroutine's, but for interrupt.
type stream struct {
	conn   net.Conn
	gather gather

	buffer     []byte
	start, end int // of what was read and not taken

	interrupted atomic.Bool
	heard       hearing
}

// newStream takes a connection over from pgconn, which reads it through from and
// may be ahead of what it has returned. Use the stream's conn from then on.
func newStream(conn net.Conn, from io.Reader) (*stream, error) {
	s := &stream{buffer: make([]byte, streamBuffer)}
	if err := s.takeOver(conn, from); err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	var err error
	if s.conn, err = quieten(conn); err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	s.gather.set = lowWaterOf(s.conn)
	return s, nil
}

// takeOver reads what pgconn has read before it is needed: with a deadline that
// has passed there is nothing else.
func (s *stream) takeOver(conn net.Conn, from io.Reader) error {
	if err := conn.SetReadDeadline(longAgo); err != nil {
		return err
	}
	for {
		n, err := from.Read(s.buffer[s.end:])
		s.end += n
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return conn.SetReadDeadline(time.Time{})
		case err != nil:
			return err
		case s.end == len(s.buffer): // pgconn reads 8 KiB ahead, or as much again each time that a write is slow
			s.buffer = append(s.buffer, make([]byte, streamBuffer)...)
		}
	}
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// next returns the next message, which is valid until the following call. Its
// tag is one of those that a server may send while it streams, else the error
// wraps [ErrProtocol]; all others are of the connection. After errInterrupted,
// next can go on.
func (s *stream) next() (tag byte, body []byte, err error) {
	for {
		have := s.buffer[s.start:s.end]
		want := messageHeader
		if len(have) >= messageHeader {
			length := binary.BigEndian.Uint32(have[1:])
			if err := checkHeader(have[0], length); err != nil {
				return 0, nil, err
			}
			want = 1 + int(length)
		}
		if len(have) >= want && len(have) >= messageHeader {
			s.start += want
			return have[0], have[messageHeader:want:want], nil
		}
		if err := s.fill(want); err != nil {
			return 0, nil, err
		}
	}
}

// ready reports whether next will return without reading.
func (s *stream) ready() bool {
	have := s.buffer[s.start:s.end]
	return len(have) >= messageHeader && uint64(len(have)) > uint64(binary.BigEndian.Uint32(have[1:]))
}

// checkHeader refuses what cannot be a message before any of it is waited for.
func checkHeader(tag byte, length uint32) error {
	switch tag {
	case tagCopyData, tagCopyDone, tagError, tagNotice, tagParameterStatus, tagNotification, tagCommandComplete, tagReady:
	default:
		return fmt.Errorf("%w: unexpected message %+q", ErrProtocol, rune(tag))
	}
	if length < messageHeader-1 || length > largestMessage {
		return fmt.Errorf("%w: message %+q says that it has %d bytes", ErrProtocol, rune(tag), length)
	}
	return nil
}

// The tags of messages in a stream.
const (
	tagCopyData        = 'd'
	tagCopyDone        = 'c'
	tagError           = 'E'
	tagNotice          = 'N'
	tagParameterStatus = 'S'
	tagNotification    = 'A'
	tagCommandComplete = 'C'
	tagReady           = 'Z'
)

// fill reads once, for a message of want bytes that begins at start.
func (s *stream) fill(want int) error {
	s.room(want)
	for {
		if s.interrupted.Load() {
			return errInterrupted
		}
		s.heard.waiting.Store(true)
		n, err := s.conn.Read(s.buffer[s.end:])
		s.heard.waiting.Store(false)
		if n > 0 {
			s.heard.reads.Add(1)
		}
		s.end += n
		late := n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case late && s.interrupted.Load():
			return errInterrupted
		case late && s.gather.on:
			if err := s.gather.late(s.conn); err != nil {
				return err
			}
			continue
		case n > 0:
			return s.gather.read(s.conn, n)
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// room makes room behind what was read: for the rest of the buffer's size, or for
// a larger message as much again as is there of it, so that a message takes no
// more memory than the server has sent bytes for. A buffer that has grown is given
// back as soon as what is left fits into a new one.
func (s *stream) room(want int) {
	have := s.buffer[s.start:s.end]
	switch {
	case want > len(s.buffer) && len(have) == len(s.buffer):
		s.buffer = make([]byte, min(want, 2*len(s.buffer)))
	case want <= streamBuffer && len(s.buffer) > streamBuffer && len(have) <= streamBuffer/2:
		s.buffer = make([]byte, streamBuffer)
	}
	s.end = copy(s.buffer, have)
	s.start = 0
}

// interrupt makes reads fail with errInterrupted, from any goroutine.
func (s *stream) interrupt() {
	s.interrupted.Store(true)
	_ = s.conn.SetReadDeadline(longAgo) // fails on a closed connection, where reads fail too
}

// leave makes reads work again, until a deadline, which gathering would put off.
func (s *stream) leave(deadline time.Time) error {
	if err := s.gather.stop(s.conn); err != nil {
		return err
	}
	s.gather.set = nil
	s.interrupted.Store(false)
	return s.conn.SetDeadline(deadline)
}

// inbound is how pgconn reads a replication connection. A read never goes past
// the end of a message, so that what follows the start of replication is left to
// the stream.
type inbound struct {
	from   io.Reader
	header [messageHeader]byte
	seen   int // bytes of the header at hand
	left   int // bytes of the message at hand
}

// Read implements [io.Reader].
func (r *inbound) Read(p []byte) (n int, err error) {
	if r.left > 0 {
		n, err = r.from.Read(p[:min(len(p), r.left)])
		r.left -= n
		if r.left == 0 && n > 0 {
			r.seen = 0
		}
		return n, err
	}
	n, err = r.from.Read(p[:min(len(p), messageHeader-r.seen)])
	r.seen += copy(r.header[r.seen:], p[:n])
	if r.seen == messageHeader {
		r.left = int(min(binary.BigEndian.Uint32(r.header[1:]), largestMessage)) - (messageHeader - 1)
		if r.left <= 0 { // nothing follows, or pgconn refuses the length
			r.left, r.seen = 0, 0
		}
	}
	return n, err
}

// frontend makes pgconn read through r.
func (r *inbound) frontend(from io.Reader, to io.Writer) *pgproto3.Frontend {
	*r = inbound{from: from}
	return pgproto3.NewFrontend(r, to)
}
