package pillows_test

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// wire is the way from one process to the brokers. It can be cut: what was
// connected is closed and nothing connects any more.
type wire struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func (w *world) wire() *wire { return &wire{dial: w.network.DialContext} }

func (c *wire) options() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers("localhost:9092"), kgo.Dialer(c.connect)}
}

func (c *wire) connect(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	isCut := c.isCut
	c.mu.Unlock()
	if isCut {
		return nil, errors.New("connection refused")
	}
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, nil
}

func (c *wire) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (c *wire) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
}
