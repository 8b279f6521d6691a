package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/internal/broker"
)

// errNoBrokers: a client is asked for before FindBrokers or UseBroker.
var errNoBrokers = errors.New("no broker has been found yet")

const pingTimeout = 2 * time.Second

// everyClient are the options of every client. Client metrics would make the
// closing of one wait for a broker that is down.
var everyClient = []kgo.Opt{kgo.ClientID("changefeed"), kgo.DisableClientMetrics()}

// UseBroker makes the stack use an embedded broker that runs in this process.
func (s *Stack) UseBroker(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.brokers = []kgo.Opt{kgo.SeedBrokers(address)}
}

func (s *Stack) brokersKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.brokers != nil
}

// FindBrokers waits until a broker answers, for up to the startup timeout. With
// the embedded broker it looks for the one that another process runs.
func (s *Stack) FindBrokers(ctx context.Context) error {
	if s.brokersKnown() {
		return nil
	}
	return s.await(ctx, "broker", s.tryBrokers, func(err error) bool { return !refused(err) })
}

// RequireBroker returns an error where the embedded broker is configured and no
// process runs it: nobody is about to start it for a command that only looks.
func (s *Stack) RequireBroker() error {
	if !s.Config.Embedded() || s.brokersKnown() {
		return nil
	}
	_, err := broker.Find(s.Config.DataDir)
	return err
}

// refused reports whether waiting for a broker does not help: the settings are
// wrong, or the broker does not accept who we are.
func refused(err error) bool {
	return errors.Is(err, errSettings) || errors.Is(err, kerr.SaslAuthenticationFailed) ||
		errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState)
}

// errSettings marks faults of the settings, which waiting does not mend.
var errSettings = errors.New("kafka settings")

func (s *Stack) tryBrokers(ctx context.Context) error {
	opts, err := s.seeds()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(slices.Concat(opts, everyClient)...)
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.brokers = opts
	return nil
}

// seeds returns where to look for the brokers.
func (s *Stack) seeds() ([]kgo.Opt, error) {
	if s.Config.Embedded() {
		address, err := broker.Find(s.Config.DataDir)
		if err != nil {
			return nil, err
		}
		return []kgo.Opt{kgo.SeedBrokers(address)}, nil
	}
	opts, err := s.Config.Kafka.ClientOptions(s.Config.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSettings, err)
	}
	return opts, nil
}

// clientOptions returns the options that every client shares.
func (s *Stack) clientOptions() ([]kgo.Opt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.brokers == nil {
		return nil, fmt.Errorf("make broker client: %w", errNoBrokers)
	}
	return slices.Concat(s.brokers, everyClient, []kgo.Opt{kgo.WithHooks(&outage{log: s.Log})}, s.ClientOptions), nil
}

// Admin returns a client for topics and groups. Close it after use.
func (s *Stack) Admin() (*kadm.Client, error) {
	client, err := s.Client()
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}

// Client returns a client of the brokers, with further options. Close it after
// use.
func (s *Stack) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	shared, err := s.clientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(shared, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("make broker client: %w", err)
	}
	return client, nil
}

// outage says once that brokers cannot be reached, and once that they can
// again: clients retry without end and would else be silent.
type outage struct {
	log  *slog.Logger
	down atomic.Bool
}

var _ kgo.HookBrokerConnect = (*outage)(nil)

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (o *outage) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	switch {
	case err != nil && !errors.Is(err, context.Canceled) && o.down.CompareAndSwap(false, true):
		o.log.Warn("broker cannot be reached, waiting for it", "broker", address, "error", err)
	case err == nil && o.down.CompareAndSwap(true, false):
		o.log.Info("broker is reached again", "broker", address)
	}
}
