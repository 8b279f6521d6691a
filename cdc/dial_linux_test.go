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
		dialer := net.Dialer{Control: limitUnanswered}
		conn, err := dialer.DialContext(t.Context(), tt.network, listener.Addr().String())
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
		var limit int
		if controlErr := raw.Control(func(fd uintptr) {
			limit, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		}); controlErr != nil || err != nil || limit != int(unansweredLimit.Milliseconds()) {
			t.Errorf("limit %d ms, errors %v, %v", limit, controlErr, err)
		}
	}
}
