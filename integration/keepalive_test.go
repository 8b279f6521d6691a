package integration_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"changefeed/internal/localpg/localpgtest"
)

// frames counts what a publisher and its server say to each other beside changes.
type frames struct {
	status     atomic.Int64 // from the publisher
	keepalives atomic.Int64 // from the server
	asking     atomic.Int64 // those that want an answer
}

// The server sends a keepalive for much of what it leaves out. One who answers
// each is sent the next at once: both would be busy with nothing else.
func TestKeepalivesAreNotAnsweredWithoutEnd(t *testing.T) {
	s, _ := newRowsSite(t, localpgtest.Shared(t), "note text")
	s.exec(t, "CREATE TABLE others (note text)")
	var seen frames
	s.dsn = countFrames(t, &seen, s.server.TCPDSN(s.database))
	p := s.startPublisher(t)
	start := time.Now()
	conn := s.connect(t)
	const transactions = 3000
	for range transactions {
		if _, err := conn.Exec(t.Context(), "INSERT INTO others VALUES ('x')"); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitPublished(t, time.Minute)
	p.stop(t)
	seconds := time.Since(start).Seconds()
	status, keepalives, asking := seen.status.Load(), seen.keepalives.Load(), seen.asking.Load()
	t.Logf("%.1f s: %d status frames, %d keepalives, of which %d ask", seconds, status, keepalives, asking)
	if keepalives == 0 || status == 0 {
		t.Error("no frames were seen: nothing was tested")
	}
	// One a second, two where the server asks, and some at the start and the end.
	if most := int64(seconds) + 2*asking + 5; status > most {
		t.Errorf("%d status frames in %.1f s, want at most %d", status, seconds, most)
	}
	if most := int64(2*transactions + 100*seconds); keepalives > most {
		t.Errorf("%d keepalives in %.1f s, want at most %d", keepalives, seconds, most)
	}
}

// countFrames starts a proxy before a server on TCP, and returns the DSN through
// it.
func countFrames(t *testing.T, seen *frames, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is no URL") // it holds a password
	}
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			running.Go(func() { seen.forward(client, server) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	u.Host = l.Addr().String()
	return u.String()
}

// forward carries a connection until one side ends it.
func (f *frames) forward(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_ = copyFrames(client, upstream, false, f.fromServer)
		client.Close()
	})
	_ = copyFrames(upstream, client, true, f.fromClient)
	upstream.Close()
	back.Wait()
}

func (f *frames) fromClient(kind byte, payload []byte) {
	if kind == 'd' && len(payload) > 0 && payload[0] == 'r' {
		f.status.Add(1)
	}
}

func (f *frames) fromServer(kind byte, payload []byte) {
	if kind == 'd' && len(payload) == 18 && payload[0] == 'k' {
		f.keepalives.Add(1)
		f.asking.Add(int64(payload[17]))
	}
}

// maxFrame bounds what is believed of a length.
const maxFrame = 64 << 20

// copyFrames copies messages of PostgreSQL's protocol, and shows each. The first
// of a client has no kind.
func copyFrames(to io.Writer, from io.Reader, startup bool, show func(kind byte, payload []byte)) error {
	for {
		head := make([]byte, 5)
		if startup {
			head = head[1:]
		}
		if _, err := io.ReadFull(from, head); err != nil {
			return err
		}
		length := head[len(head)-4:]
		size := int(binary.BigEndian.Uint32(length)) - 4
		if size < 0 || size > maxFrame {
			return errors.New("no message of PostgreSQL's protocol")
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(from, payload); err != nil {
			return err
		}
		if !startup {
			show(head[0], payload)
		}
		startup = false
		if _, err := to.Write(append(head, payload...)); err != nil {
			return err
		}
	}
}
