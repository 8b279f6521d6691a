package bench

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/cdc"
	"changefeed/cmd/stack"
)

// look is the time between two looks at how far a worker has come.
const look = 2 * time.Millisecond

// publish runs the publisher until it has published the backlog, or is asked to
// end.
func (w *worker) publish(ctx context.Context) error {
	load, err := find(w.Workload)
	if err != nil {
		return err
	}
	cfg, err := load.configuration(w.Source, w.DSN, w.Slot, w.Broker)
	if err != nil {
		return err
	}
	s := stack.New(cfg, w.log)
	defer s.Close()
	stack.LimitMemory(1)
	times := new(stopwatch)
	if w.Times {
		s.ClientOptions = []kgo.Opt{kgo.WithHooks(times)}
	}
	if err := s.FindBrokers(ctx); err != nil {
		return err
	}
	w.begun = time.Now()
	publisher, err := s.Publisher(0, true) //nolint:contextcheck // pools connect when they are first used
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	var watch sync.WaitGroup
	defer watch.Wait()
	var told error
	watch.Go(func() {
		defer stop()
		told = w.watch(work, publisher, times)
	})
	err = publisher.Run(work)
	stop()
	watch.Wait()
	if err != nil {
		return err
	}
	return told
}

// watch tells when the publisher streams, and what it has taken until it had
// published the backlog, or was asked to end.
func (w *worker) watch(ctx context.Context, publisher *cdc.Publisher, times *stopwatch) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	said := false
	for {
		stats := publisher.Stats()
		switch {
		case w.Documents > 0 && stats.Acknowledged >= uint64(w.Documents):
			return w.done(nil)
		case w.Documents == 0 && !said && stats.Streaming:
			said = true
			if err := w.streams(); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return w.done(times.taken())
		}
	}
}

// stopwatch notes when records were acknowledged.
type stopwatch struct {
	mu    sync.Mutex
	times []acked
}

var _ kgo.HookProduceRecordUnbuffered = (*stopwatch)(nil)

// OnProduceRecordUnbuffered implements [kgo.HookProduceRecordUnbuffered].
func (s *stopwatch) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if err != nil {
		return
	}
	now := time.Now().UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, acked{ID: string(r.Key), At: now})
}

func (s *stopwatch) taken() []acked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times
}
