package cdc

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// quietPair is a Unix socket that was taken from the runtime, and its other end.
func quietPair(t *testing.T) (*quietConn, net.Conn) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := (&net.Dialer{}).DialContext(t.Context(), "unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := quieten(client)
	if err != nil {
		t.Fatal(err)
	}
	quiet, ok := conn.(*quietConn)
	if !ok {
		t.Fatalf("a Unix socket becomes %T", conn)
	}
	t.Cleanup(func() {
		_ = quiet.Close() // some tests have closed it
		server.Close()
	})
	return quiet, server
}

func TestQuietConnectionReadsAndWrites(t *testing.T) {
	conn, server := quietPair(t)
	for _, mark := range []int{1, gatherBytes} {
		if err := conn.setQuiet(mark); err != nil {
			t.Fatal(err)
		}
		send(t, server, []byte("to us"))
		p := make([]byte, 16)
		if n, err := conn.Read(p); err != nil || string(p[:n]) != "to us" {
			t.Errorf("Read = %q, %v", p[:n], err)
		}
		if _, err := conn.Write([]byte("from us")); err != nil {
			t.Error(err)
		}
		if n, err := server.Read(p); err != nil || string(p[:n]) != "from us" {
			t.Errorf("the other end reads %q, %v", p[:n], err)
		}
	}
	server.Close()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read after the end: %v", err)
	}
}

func TestQuietConnectionEndsWaits(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*quietConn) error
		want error
	}{
		"deadline that passes":      {func(c *quietConn) error { return c.SetReadDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"deadline that has passed":  {func(c *quietConn) error { return c.SetDeadline(longAgo) }, os.ErrDeadlineExceeded},
		"closing of the connection": {(*quietConn).Close, net.ErrClosed},
	} {
		for _, mark := range []int{1, gatherBytes} {
			t.Run(name, func(t *testing.T) {
				conn, _ := quietPair(t)
				if err := conn.setQuiet(mark); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error)
				go func() {
					_, err := conn.Read(make([]byte, 1))
					ended <- err
				}()
				if err := test.end(conn); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; !errors.Is(err, test.want) {
					t.Errorf("Read = %v, want %v", err, test.want)
				}
			})
		}
	}
}

func TestQuietConnectionEndsStuckWrites(t *testing.T) {
	conn, _ := quietPair(t)
	if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 16<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v", err)
	}
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := conn.Write(make([]byte, 16<<20))
		ended <- err
	}()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a write to a closed connection succeeds")
	}
}
