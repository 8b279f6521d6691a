package localpg

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// socketPathLimit is the longest path that a Unix socket may have on all
// systems: macOS has 104 bytes with the final zero, Linux 108.
const socketPathLimit = 103

// Ports are taken from here: above what servers are usually configured with, and
// below the ports that Linux (from 32768), macOS and the BSDs (from 49152) give
// to outgoing connections, which would come and go.
const lowestPort, highestPort = 20000, 29999

// makeDirectory makes the server's directory, private to the account, in the
// first temporary folder that the account can enter.
func makeDirectory(as *account) (string, error) {
	var refused []string
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		parent, err := filepath.Abs(parent)
		if err != nil || !as.canEnter(parent) || !roomForSocket(parent) {
			refused = append(refused, parent)
			continue
		}
		dir, err := os.MkdirTemp(parent, "changefeed-pg-")
		if err != nil {
			return "", fmt.Errorf("make directory of the private PostgreSQL: %w", err)
		}
		if err := as.give(dir); err != nil {
			os.Remove(dir)
			return "", err
		}
		return dir, nil
	}
	return "", fmt.Errorf("make directory of the private PostgreSQL: %s cannot enter or the path is too long for a socket in %q (set TMPDIR to a folder with a short path that everybody may enter)", as, refused)
}

func roomForSocket(parent string) bool {
	longest := filepath.Join(parent, "changefeed-pg-4294967295", socketName(highestPort))
	return len(longest) <= socketPathLimit
}

// socketName is the name that PostgreSQL gives to the socket of a port.
func socketName(port int) string { return ".s.PGSQL." + strconv.Itoa(port) }

// freePort returns a port on 127.0.0.1 that nobody listens on now. Somebody can
// take it before the server does: then the start is tried with another.
func freePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		var l net.Listener
		l, err = listen.Listen(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port on %s between %d and %d: %w", loopback, lowestPort, highestPort, err)
}
