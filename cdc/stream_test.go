package cdc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a connection whose other end is written by the test.
func wire(t *testing.T) (*stream, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	s, err := newStream(client, client)
	if err != nil {
		t.Fatal(err)
	}
	return s, server
}

func copyData(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{tagCopyData}, uint32(len(body)+4)), body...)
}

// send writes pieces, each of which a read returns by itself.
func send(t *testing.T, to net.Conn, pieces ...[]byte) {
	t.Helper()
	go func() {
		for _, piece := range pieces {
			if _, err := to.Write(piece); err != nil {
				return // the test has ended
			}
		}
	}()
}

func wantMessage(t *testing.T, s *stream, want []byte) {
	t.Helper()
	tag, body, err := s.next()
	if err != nil || tag != tagCopyData || !bytes.Equal(body, want) {
		t.Fatalf("next = %q, %d bytes, %v, want %d bytes", tag, len(body), err, len(want))
	}
}

func TestMessagesAreCutWhereverReadsEnd(t *testing.T) {
	s, server := wire(t)
	large := bytes.Repeat([]byte("0123456789"), 3*streamBuffer/10)
	all := append(append(copyData([]byte("one")), copyData(nil)...), copyData(large)...)
	all = append(all, copyData([]byte("last"))...)
	var pieces [][]byte
	for len(all) > 0 {
		n := min(len(all), 1+len(pieces)*7)
		pieces, all = append(pieces, all[:n]), all[n:]
	}
	send(t, server, pieces...)
	for _, want := range [][]byte{[]byte("one"), nil, large, []byte("last")} {
		wantMessage(t, s, want)
	}
	send(t, server, copyData([]byte("small")))
	wantMessage(t, s, []byte("small"))
	if len(s.buffer) != streamBuffer {
		t.Errorf("the buffer is left with %d bytes after a large message", len(s.buffer))
	}
}

// A length is a claim. Memory is taken for what has arrived.
func TestBufferGrowsWithWhatArrives(t *testing.T) {
	s, server := wire(t)
	header := binary.BigEndian.AppendUint32([]byte{tagCopyData}, largestMessage)
	send(t, server, header, make([]byte, streamBuffer))
	for s.end < streamBuffer {
		if err := s.fill(largestMessage); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.buffer) > 4*streamBuffer {
		t.Errorf("%d bytes of buffer for %d that have arrived", len(s.buffer), streamBuffer)
	}
}

func TestWhatIsNoMessageIsRefusedByItsHeader(t *testing.T) {
	for name, header := range map[string][]byte{
		"unknown tag":     {'?', 0, 0, 0, 8},
		"length too low":  {tagCopyData, 0, 0, 0, 3},
		"length too high": {tagCopyData, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := wire(t)
			send(t, server, header)
			if _, _, err := s.next(); !errors.Is(err, ErrProtocol) {
				t.Errorf("next = %v", err)
			}
		})
	}
}

func TestReadingGoesOnAfterAnInterruptionInAMessage(t *testing.T) {
	s, server := wire(t)
	message := copyData([]byte("whole"))
	send(t, server, message[:7])
	if err := s.fill(messageHeader); err != nil {
		t.Fatal(err)
	}
	s.interrupt()
	if _, _, err := s.next(); !errors.Is(err, errInterrupted) {
		t.Fatalf("next = %v", err)
	}
	if err := s.leave(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	send(t, server, message[7:])
	wantMessage(t, s, []byte("whole"))
}

func TestEndOfConnectionIsUnexpected(t *testing.T) {
	s, server := wire(t)
	server.Close()
	if _, _, err := s.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("next = %v", err)
	}
}

// What pgconn has read ahead of what it returned is the stream's.
func TestWhatWasReadAheadIsNotLost(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	ahead := copyData([]byte("ahead"))
	s, err := newStream(client, &aheadReader{ahead: ahead[:6], conn: client})
	if err != nil {
		t.Fatal(err)
	}
	send(t, server, ahead[6:])
	wantMessage(t, s, []byte("ahead"))
}

// aheadReader is pgconn's reader with something in its buffer.
type aheadReader struct {
	ahead []byte
	conn  net.Conn
}

func (r *aheadReader) Read(p []byte) (int, error) {
	if len(r.ahead) > 0 {
		n := copy(p, r.ahead)
		r.ahead = r.ahead[n:]
		return n, nil
	}
	return r.conn.Read(p)
}

func TestPgconnReadsNoFurtherThanItsMessages(t *testing.T) {
	first, second := copyData([]byte("first")), copyData([]byte("second"))
	from := bytes.NewReader(append(append([]byte(nil), first...), second...))
	r := inbound{from: from}
	p := make([]byte, 1024)
	got := 0
	for got < len(first) {
		n, err := r.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if got != len(first) || from.Len() != len(second) {
		t.Errorf("%d bytes of the first message were read, %d are left of the second, want %d and %d", got, from.Len(), len(first), len(second))
	}
}

// marks notes what low-water marks are set.
type marks struct{ set []int }

func (m *marks) lowWater(bytes int) error {
	m.set = append(m.set, bytes)
	return nil
}

func TestRowsGatherOnlyWhileManyArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := wire(t)
		var m marks
		s.gather.set = m.lowWater
		row := copyData(make([]byte, 295))
		arrive := func(rows int, every time.Duration) {
			go func() {
				for range rows {
					time.Sleep(every)
					if _, err := server.Write(row); err != nil {
						return
					}
				}
			}()
			for range rows {
				wantMessage(t, s, row[messageHeader:])
			}
		}
		arrive(2000, 500*time.Microsecond) // two thousand a second
		if len(m.set) != 0 {
			t.Errorf("marks at 2000 rows a second: %v", m.set)
		}
		arrive(2000, 20*time.Microsecond)
		if len(m.set) != 1 || m.set[0] != gatherBytes {
			t.Errorf("marks at 50,000 rows a second: %v", m.set)
		}
		begun := time.Now()
		arrive(1, 10*time.Millisecond)
		if len(m.set) != 2 || m.set[1] != 1 {
			t.Errorf("marks after the last of many: %v", m.set)
		}
		if took := time.Since(begun); took != 10*time.Millisecond {
			t.Errorf("a row that comes later is taken after %s", took)
		}
	})
}
