package cdctest

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// Status is a standby status update as it arrived.
type Status struct {
	At                         time.Time
	Received, Flushed, Applied uint64
	Reply                      bool // the publisher wants an answer
}

// Stream is one replication stream of a Walsender, from the start to the end of
// its connection. Its methods may be called by one goroutine at a time.
type Stream struct {
	// Command is what the publisher started replication with.
	Command string

	of      *Walsender
	conn    net.Conn
	backend *pgproto3.Backend

	mu       sync.Mutex
	statuses []Status
	arrived  chan struct{} // closed and replaced with each status
	left     bool
	ended    chan struct{} // the client's side is read to its end
}

// stream starts a stream and reads from it until the client ends it or the
// connection.
func (w *Walsender) stream(conn net.Conn, backend *pgproto3.Backend, command string) error {
	s := &Stream{of: w, Command: command, conn: conn, backend: backend, arrived: make(chan struct{}), ended: make(chan struct{})}
	defer close(s.ended)
	backend.Send(&pgproto3.CopyBothResponse{})
	if err := backend.Flush(); err != nil {
		return err
	}
	w.streams <- s
	for {
		message, err := backend.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if err := s.status(m.Data); err != nil {
				return err
			}
		case *pgproto3.CopyDone:
			s.mu.Lock()
			s.left = true
			s.mu.Unlock()
			backend.Send(&pgproto3.CopyDone{})
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("COPY 0")})
			return nil
		default:
			return errors.New("unexpected message in a stream")
		}
	}
}

// status notes an update.
func (s *Stream) status(data []byte) error {
	if len(data) != 34 || data[0] != 'r' {
		return errors.New("malformed status update")
	}
	flushed := binary.BigEndian.Uint64(data[9:])
	s.of.set(func() { s.of.confirmed = max(s.of.confirmed, flushed) })
	update := Status{
		At:       time.Now(),
		Received: binary.BigEndian.Uint64(data[1:]),
		Flushed:  flushed,
		Applied:  binary.BigEndian.Uint64(data[17:]),
		Reply:    data[33] != 0,
	}
	s.mu.Lock()
	s.statuses = append(s.statuses, update)
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	if !update.Reply || s.of.isMute() {
		return nil
	}
	message, err := (&pgproto3.CopyData{Data: keepalive(update.Received, false)}).Encode(nil)
	if err == nil {
		_, err = s.conn.Write(message)
	}
	return err
}

// Statuses returns the updates so far.
func (s *Stream) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Status(nil), s.statuses...)
}

// Flushed returns what the latest update confirmed, 0 before the first.
func (s *Stream) Flushed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statuses) == 0 {
		return 0
	}
	return s.statuses[len(s.statuses)-1].Flushed
}

// WaitFlushed waits until an update confirms lsn or more.
func (s *Stream) WaitFlushed(tb testing.TB, lsn uint64) {
	tb.Helper()
	for {
		s.mu.Lock()
		arrived := s.arrived
		s.mu.Unlock()
		if s.Flushed() >= lsn {
			return
		}
		select {
		case <-arrived:
		case <-s.ended:
			tb.Fatalf("the stream ended with %X confirmed, want %X", s.Flushed(), lsn)
		case <-tb.Context().Done():
			tb.Fatalf("%X confirmed at the end of the test, want %X", s.Flushed(), lsn)
		}
	}
}

// Left reports whether the publisher has ended the stream as the protocol wants
// it.
func (s *Stream) Left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// Send sends messages of the log, all with one start.
func (s *Stream) Send(tb testing.TB, start uint64, messages ...pgoutput.Message) {
	tb.Helper()
	for i := range messages {
		s.SendFrame(tb, pgoutputtest.Append(logHeader(start), &messages[i]))
	}
}

// SendRaw sends bytes as a message of the log.
func (s *Stream) SendRaw(tb testing.TB, start uint64, message []byte) {
	tb.Helper()
	s.SendFrame(tb, append(logHeader(start), message...))
}

func logHeader(start uint64) []byte {
	frame := []byte{'w'}
	frame = binary.BigEndian.AppendUint64(frame, start)
	frame = binary.BigEndian.AppendUint64(frame, start)
	return binary.BigEndian.AppendUint64(frame, uint64(pgoutput.Microseconds(time.Now())))
}

// Keepalive says that the log has been worked through up to end, and may ask for
// a status update.
func (s *Stream) Keepalive(tb testing.TB, end uint64, reply bool) {
	tb.Helper()
	s.SendFrame(tb, keepalive(end, reply))
}

func keepalive(end uint64, reply bool) []byte {
	frame := []byte{'k'}
	frame = binary.BigEndian.AppendUint64(frame, end)
	frame = binary.BigEndian.AppendUint64(frame, uint64(pgoutput.Microseconds(time.Now())))
	ask := byte(0)
	if reply {
		ask = 1
	}
	return append(frame, ask)
}

// SendFrame sends a frame of the replication protocol.
func (s *Stream) SendFrame(tb testing.TB, frame []byte) {
	tb.Helper()
	s.send(tb, &pgproto3.CopyData{Data: frame})
}

// SendBytes sends what need not be a message at all.
func (s *Stream) SendBytes(tb testing.TB, data []byte) {
	tb.Helper()
	if _, err := s.conn.Write(data); err != nil {
		tb.Fatalf("walsender: %v", err)
	}
}

// Notice sends a warning.
func (s *Stream) Notice(tb testing.TB, code, message string) {
	tb.Helper()
	s.send(tb, &pgproto3.NoticeResponse{Severity: "WARNING", Code: code, Message: message})
}

// Fail sends an error, after which nothing follows.
func (s *Stream) Fail(tb testing.TB, code, message string) {
	tb.Helper()
	s.send(tb, &pgproto3.ErrorResponse{Severity: "ERROR", Code: code, Message: message})
}

// send encodes by itself: the backend's buffer belongs to the goroutine that
// reads.
func (s *Stream) send(tb testing.TB, message pgproto3.BackendMessage) {
	tb.Helper()
	data, err := message.Encode(nil)
	if err != nil {
		tb.Fatal(err)
	}
	s.SendBytes(tb, data)
}

// Cut ends the connection without a word.
func (s *Stream) Cut() { s.conn.Close() }

// Ended is closed when the publisher has ended the stream or the connection.
func (s *Stream) Ended() <-chan struct{} { return s.ended }
