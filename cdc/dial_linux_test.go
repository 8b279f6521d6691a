package cdc

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSilentServersAreLimitedOnTCP(t *testing.T) {
	for _, tt := range []struct{ network, address string }{{"tcp", "127.0.0.1:0"}, {"unix", t.TempDir() + "/socket"}} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), tt.network, tt.address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		conn, err := newDialer().DialContext(t.Context(), tt.network, listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			continue
		}
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var limit, idle int
		if controlErr := raw.Control(func(fd uintptr) {
			limit, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if err == nil {
				idle, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
			}
		}); controlErr != nil || err != nil || limit != int(unansweredLimit.Milliseconds()) || idle != 10 {
			t.Errorf("limit %d ms, keepalives after %d s, errors %v, %v", limit, idle, controlErr, err)
		}
	}
}
