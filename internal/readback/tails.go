package readback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

// Config is what Tails work with.
type Config struct {
	// Open makes a client of the brokers with further options. Required. It is
	// called once by each Read and Last, which close the client.
	Open func(...kgo.Opt) (*kgo.Client, error)
	// Log is required.
	Log *slog.Logger
	// Recent is how many offsets of each partition Last reads. Default: 1000.
	Recent int
}

func (c Config) withDefaults() Config {
	if c.Recent == 0 {
		c.Recent = 1000
	}
	return c
}

// Validate returns all that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Open == nil {
		faults = append(faults, errors.New("readback: Open is required"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("readback: Log is required"))
	}
	if c.Recent < 0 {
		faults = append(faults, fmt.Errorf("readback: Recent is %d: it must not be negative", c.Recent))
	}
	return errors.Join(faults...)
}

// Tails reads what topics hold of a source.
type Tails struct{ cfg Config }

// New returns Tails. It reaches no broker.
func New(cfg Config) (*Tails, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Tails{cfg: cfg.withDefaults()}, nil
}

// Read calls each with the position of every record of the source from the given
// offsets to the present ends, in the order of the offsets within a partition, one
// call at a time, and returns the ends of all partitions. An error of each ends it
// and is returned. settled says that nothing can be on its way to the topics; else
// Read waits until nothing more of the source arrives.
func (t *Tails) Read(ctx context.Context, source string, topics []string, from changefeed.Offsets, settled bool, each func(changefeed.Position) error) (changefeed.Offsets, error) {
	return t.read(ctx, source, topics, each, func(ctx context.Context, r *reading) error {
		err := r.begin(ctx, func(p *partition) int64 { return offsetOf(from, p) })
		if err == nil {
			err = r.readToEnds(ctx)
		}
		if err == nil && !settled {
			err = r.settle(ctx)
		}
		return err
	})
}

// Last calls each with the positions of the source among the last Config.Recent
// offsets of each partition, as Read does, and returns the ends.
func (t *Tails) Last(ctx context.Context, source string, topics []string, each func(changefeed.Position) error) (changefeed.Offsets, error) {
	return t.read(ctx, source, topics, each, func(ctx context.Context, r *reading) error {
		err := r.begin(ctx, func(p *partition) int64 { return p.end - int64(t.cfg.Recent) })
		if err == nil {
			err = r.readToEnds(ctx)
		}
		return err
	})
}

func (t *Tails) read(ctx context.Context, source string, topics []string, each func(changefeed.Position) error, run func(context.Context, *reading) error) (changefeed.Offsets, error) {
	client, err := t.cfg.Open()
	if err != nil {
		return nil, fmt.Errorf("read back topics: %w", err)
	}
	defer client.Close()
	r := newReading(client, t.cfg.Log, source, topics, each)
	if err := run(ctx, r); err != nil {
		return nil, fmt.Errorf("read back topics: %w", err)
	}
	return r.ends(), nil
}

// offsetOf returns where to read a partition from, or 0 where that is not said.
func offsetOf(from changefeed.Offsets, p *partition) int64 {
	if offsets := from[p.topic]; int(p.number) < len(offsets) {
		return offsets[p.number]
	}
	return 0
}
