package cdc_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"changefeed/internal/localpg/localpgtest"
)

// proxy passes TCP connections on to a server. It acknowledges what it gets, as
// any proxy does, also where it passes nothing on.
type proxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu   sync.Mutex
	cuts []*atomic.Bool // of the connections
	open []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: to}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		for _, conn := range p.open {
			conn.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.to)
		if err != nil {
			client.Close()
			continue
		}
		cut := &atomic.Bool{}
		p.mu.Lock()
		p.cuts, p.open = append(p.cuts, cut), append(p.open, client, server)
		p.mu.Unlock()
		p.running.Go(func() { forward(server, client, cut) })
		p.running.Go(func() { forward(client, server, cut) })
	}
}

// forward passes bytes on, and after the cut only takes them.
func forward(to, from net.Conn, cut *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			if !cut.Load() {
				to.Close()
			}
			return
		}
		if cut.Load() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut makes the connections that there are now swallow everything, and tell
// nobody. Others work.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.cuts {
		one.Store(true)
	}
}

// overTCP makes the publisher connect through an address, with a timeout of the
// server's for a publisher that is gone.
func (l *live) overTCP(address string) {
	l.Helper()
	dsn, err := url.Parse(localpgtest.Shared(l).TCPDSN(l.conn.Config().Database))
	if err != nil {
		l.Fatal(err)
	}
	dsn.Host = address
	dsn.RawQuery += "&wal_sender_timeout=2s"
	l.cfg.DSN = dsn.String()
}

func (l *live) serverAddress() string {
	l.Helper()
	dsn, err := url.Parse(localpgtest.Shared(l).TCPDSN("postgres"))
	if err != nil {
		l.Fatal(err)
	}
	return dsn.Host
}

// The network goes on to take what is written and delivers nothing, in both
// directions. The publisher finds out by itself, and so does the server.
func TestConnectionThatIsCutSilentlyIsReplaced(t *testing.T) {
	l := newLive(t, things, routed("things", "id"))
	l.init()
	p := newProxy(t, l.serverAddress())
	l.overTCP(p.listener.Addr().String())
	l.cfg.SilenceTimeout = 500 * time.Millisecond
	l.start()
	for range 2 {
		before := l.publisher.Stats().Sessions
		p.cut()
		l.exec("INSERT INTO things SELECT coalesce(max(id), 0) + 1 FROM things")
		l.until("a new session streams", func() bool { return l.publisher.Stats().Sessions > before && l.publisher.Stats().Streaming })
		l.fence()
	}
	// What the server has not been told before a cut comes once more.
	if ids := ids(l.published()); strings.Join(slices.Compact(ids), " ") != "1 2" {
		t.Errorf("published %v, want 1 and 2", ids)
	}
	if n := strings.Count(l.log.String(), "nothing has come for 500ms"); n != 2 {
		t.Errorf("the silence was said %d times, want twice:\n%s", n, l.log)
	}
	l.drain()
}

// The server is silent while it decodes a transaction of which nothing is
// published. That is no reason to give the connection up, and to begin again at
// the same place without end.
func TestServerThatDecodesForLongIsWaitedFor(t *testing.T) {
	l := newLive(t, things+";\nCREATE TABLE unpublished (x text)", routed("things", "id"))
	l.init()
	l.overTCP(l.serverAddress())
	l.cfg.DSN = strings.Replace(l.cfg.DSN, "wal_sender_timeout=2s", "wal_sender_timeout=60s", 1)
	l.cfg.SilenceTimeout = 100 * time.Millisecond
	l.start()
	l.exec("INSERT INTO unpublished SELECT repeat('x', 20) FROM generate_series(1, 600000)")
	committed := time.Now()
	l.fence()
	t.Logf("silent for at most %s", time.Since(committed))
	if n := l.publisher.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions, want 1:\n%s", n, l.log)
	}
	if !strings.Contains(l.log.String(), "works through its log") {
		t.Errorf("the server was not silent for long enough: nothing was tested:\n%s", l.log)
	}
	l.drain()
}
