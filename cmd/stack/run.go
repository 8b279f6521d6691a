package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"changefeed/cmd/config"
	"changefeed/internal/broker"
)

// Parts says what Run runs: indexes of sources and pillows.
type Parts struct {
	Sources []int
	Pillows []int
	// NoWait makes a publisher fail where its slot is active elsewhere.
	NoWait bool
}

// All returns the parts of everything that is configured.
func (s *Stack) All() Parts {
	var p Parts
	for i := range s.Config.Postgres {
		p.Sources = append(p.Sources, i)
	}
	for i := range s.Config.Pillows {
		p.Pillows = append(p.Pillows, i)
	}
	return p
}

// runner is a part that runs until its context ends and it has drained.
type runner struct {
	name string
	run  func(context.Context) error
}

// Run runs parts until ctx ends and all have drained, or one of them fails: the
// others are then drained too. It first looks whether they can run: at the
// databases, whose faults a person has to mend, then at the brokers, then at the
// topics.
func (s *Stack) Run(ctx context.Context, parts Parts) error {
	if len(parts.Sources)+len(parts.Pillows) == 0 {
		return fmt.Errorf("%w: nothing to run: add a source under postgres or a pillow under pillows", config.ErrInvalid)
	}
	for _, i := range parts.Sources {
		if err := s.replaceLostSlot(ctx, i); err != nil {
			return err
		}
		if err := s.requirePreflight(ctx, i); err != nil {
			return err
		}
	}
	if len(parts.Sources) > 0 {
		if err := s.requireState(ctx); err != nil {
			return err
		}
	}
	if err := s.FindBrokers(ctx); err != nil {
		return err
	}
	if err := s.awaitTopics(ctx, s.topicsOf(parts)); err != nil {
		return err
	}
	if len(s.epochs) > 0 {
		s.learnEpochs(ctx)
	}
	runners, err := s.build(parts)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range runners {
		group.Go(func() error {
			s.Log.Info("starting", "part", r.name)
			if err := r.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			s.Log.Info("stopped", "part", r.name)
			return nil
		})
	}
	return group.Wait()
}

func (s *Stack) build(parts Parts) ([]runner, error) {
	var runners []runner
	for _, i := range parts.Sources {
		publisher, err := s.Publisher(i, parts.NoWait)
		if err != nil {
			return nil, err
		}
		runners = append(runners, runner{"publisher " + s.Config.Postgres[i].Name, func(ctx context.Context) error {
			return s.runPublisher(ctx, i, publisher, parts.NoWait)
		}})
	}
	for _, i := range parts.Pillows {
		pillow, err := s.Pillow(i, nil)
		if err != nil {
			return nil, err
		}
		runners = append(runners, runner{"pillow " + s.Config.Pillows[i].Name, pillow.Run})
	}
	return runners, nil
}

// topicsOf returns the topics that parts publish on or read.
func (s *Stack) topicsOf(parts Parts) []string {
	var names []string
	for _, i := range parts.Sources {
		names = append(names, s.Config.Postgres[i].Topics()...)
		names = append(names, s.Config.Kafka.TopicNames()...) // of messages
	}
	for _, i := range parts.Pillows {
		names = append(names, s.Config.Pillows[i].Topics...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// RunAll runs everything that is configured, with the embedded broker where no
// other is configured.
func (s *Stack) RunAll(ctx context.Context) error {
	if !s.Config.Embedded() {
		return s.Run(ctx, s.All())
	}
	return s.WithBroker(ctx, "", func(ctx context.Context) error { return s.Run(ctx, s.All()) })
}

// WithBroker runs the embedded broker for as long as work runs. The broker goes
// last, because work still needs it while it drains.
func (s *Stack) WithBroker(ctx context.Context, listen string, work func(context.Context) error) error {
	b, err := broker.New(broker.Config{Dir: s.Config.DataDir, Listen: listen, Log: s.Log})
	if err != nil {
		return err
	}
	brokerCtx, stopBroker := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBroker()
	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var group errgroup.Group
	group.Go(func() error {
		defer stopWork() // a broker that fails takes the work with it
		return b.Run(brokerCtx)
	})
	group.Go(func() error {
		defer stopBroker()
		select {
		case <-b.Ready():
		case <-workCtx.Done():
			return nil
		}
		s.UseBroker(b.Addr())
		return work(workCtx)
	})
	return group.Wait()
}

// withAnyBroker does work with the configured brokers, or with the embedded
// broker: the one that another process runs, or else one for the time of work.
func (s *Stack) withAnyBroker(ctx context.Context, work func(context.Context) error) error {
	if s.Config.Embedded() && !s.brokersKnown() {
		if _, err := broker.Find(s.Config.DataDir); err != nil {
			err := s.WithBroker(ctx, "", work)
			if !errors.Is(err, broker.ErrInUse) { // started by another process just now
				return err
			}
		}
	}
	if err := s.FindBrokers(ctx); err != nil {
		return err
	}
	return work(ctx)
}

// RunBroker runs the embedded broker alone.
func (s *Stack) RunBroker(ctx context.Context, listen string) error {
	if !s.Config.Embedded() {
		return fmt.Errorf("run broker: kafka.brokers names other brokers (%v): remove it to use the embedded one", s.Config.Kafka.Brokers)
	}
	return s.WithBroker(ctx, listen, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}
