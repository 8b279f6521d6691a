package main

import (
	"fmt"
	"net"
)

type brokerCommand struct {
	Listen string `default:"" help:"Address to listen on; the last one again, or a free port on 127.0.0.1, without." placeholder:"HOST:PORT"`
}

// Run runs the embedded broker until it is asked to stop.
func (c *brokerCommand) Run(a *app) error {
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			return fmt.Errorf("%w: --listen: %w", errUsage, err)
		}
	}
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	return s.RunBroker(a.ctx, c.Listen)
}
