package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// Config says where a broker keeps its data and where it listens.
type Config struct {
	// Dir is its directory, made if missing. One broker at a time may use it.
	Dir string
	// Listen is the address, host:port, on which it listens and which it tells
	// clients to connect to. Port 0: the one noted in Dir, or a free one where
	// there is none or somebody else has it. Default: 127.0.0.1:0.
	Listen string
	// Log is required.
	Log *slog.Logger
}

// defaultListen is reached from this machine alone.
const defaultListen = "127.0.0.1:0"

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	return c
}

// Validate reports every fault that shows without a machine.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("embedded broker: no directory: set data_dir"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("embedded broker: no logger"))
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		faults = append(faults, fmt.Errorf("embedded broker: address %q: want host:port, as in 127.0.0.1:9092", c.Listen))
		return errors.Join(faults...)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		faults = append(faults, fmt.Errorf("embedded broker: address %q: the port must be a number from 0 to 65535", c.Listen))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		faults = append(faults, fmt.Errorf("embedded broker: address %q: name one address of this machine: clients are told to connect to it", c.Listen))
	}
	return errors.Join(faults...)
}
