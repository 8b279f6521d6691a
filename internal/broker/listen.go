package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// The first port is taken from here: above what servers are usually configured
// with, and below the ports that Linux (from 32768), macOS and the BSDs (from
// 49152) give to outgoing connections.
const lowestPort, highestPort = 20000, 29999

// listen binds the configured address. For port 0 it takes the port noted at the
// last start, if the host is the same and nobody else has it.
func (b *Broker) listen(ctx context.Context, noted string) (net.Listener, error) {
	var config net.ListenConfig
	host, port, err := net.SplitHostPort(b.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if port != "0" {
		l, err := config.Listen(ctx, "tcp", b.cfg.Listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("start embedded broker (end what listens on %s, or choose another port): %w", b.cfg.Listen, err)
		}
		if err != nil {
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
		return l, nil
	}
	if _, last, err := net.SplitHostPort(noted); err == nil {
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, last))
		if err == nil {
			return l, nil
		}
		b.cfg.Log.WarnContext(ctx, "the embedded broker's port is taken: clients that run now will not find it on the new one",
			slog.String("address", net.JoinHostPort(host, last)), slog.Any("error", err))
	}
	return listenAnywhere(ctx, config, host)
}

// listenAnywhere binds a free port.
func listenAnywhere(ctx context.Context, config net.ListenConfig, host string) (net.Listener, error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
	}
	return nil, fmt.Errorf("start embedded broker: no free port on %s between %d and %d", host, lowestPort, highestPort)
}
