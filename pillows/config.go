package pillows

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/docstore"
)

// Config says what a pillow reads.
type Config struct {
	// Name of the pillow, in logs and metrics.
	Name string
	// Topics it reads. They must exist.
	Topics []string
	// Group is the Kafka consumer group. Default: the name.
	Group string
	// ChunkSize is the greatest number of changes worked on at once in one
	// partition. Default and greatest: docstore.MaxBatch.
	ChunkSize int
	// ChunkBytes bounds the records of a chunk in bytes; their documents are
	// bounded by docstore.MaxBytes. Default: 4 MiB.
	ChunkBytes int
	// MinBackoff and MaxBackoff bound the wait before a chunk that failed is
	// tried again. Defaults: 100 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// DrainTimeout is how long Run goes on after its context has ended, to finish
	// the chunks in work. Default: 30 s.
	DrainTimeout time.Duration
	// SessionTimeout is how long the group waits for a member that is gone
	// without a word. The brokers bound it from both sides. Default: 10 s.
	SessionTimeout time.Duration
	// RebalanceTimeout is how long a member may take to finish its chunks in
	// partitions that go to another member, and how long the group waits for a
	// member that does not answer while partitions move. Default: 15 s.
	RebalanceTimeout time.Duration
	// QueueBytes bounds the records read ahead in all partitions together.
	// Default: 16 MiB.
	QueueBytes int
}

// Deps are what a pillow works with.
type Deps struct {
	// Client are the options for the brokers: addresses, security. What a pillow
	// depends on (its group, its offsets, how partitions are assigned) cannot be
	// changed by them.
	Client []kgo.Opt
	// Stores has the document store of every data source in the topics.
	Stores *docstore.Registry
	// Log is required.
	Log *slog.Logger
	// Observe, where set, is told of verdicts, from the goroutine of the
	// partition that reached them; it must not block, and must not keep the
	// slices it is given.
	Observe func(Observation)
}

// Observation tells the verdicts that one processor reached on a chunk in one
// try: one for each change that was read, collapsed duplicates included. A chunk
// that goes through at once makes one observation for each processor; one of
// which some items failed, or whose documents are read in parts, makes several,
// which have no change in common. Changes
// that are read again, after a crash, are observed again.
type Observation struct {
	Pillow    string
	Processor string
	Partition int32
	Changes   []changefeed.Change
	Verdicts  []Verdict // by change; never Open
}

// The defaults of Config.
const (
	DefaultChunkBytes       = 4 << 20
	DefaultMinBackoff       = 100 * time.Millisecond
	DefaultMaxBackoff       = 30 * time.Second
	DefaultDrainTimeout     = 30 * time.Second
	DefaultSessionTimeout   = 10 * time.Second
	DefaultRebalanceTimeout = 15 * time.Second
	DefaultQueueBytes       = 16 << 20
)

// WithDefaults returns a copy with every zero field set to its default.
func (c Config) WithDefaults() Config {
	c.Group = cmp.Or(c.Group, c.Name)
	c.ChunkSize = cmp.Or(c.ChunkSize, docstore.MaxBatch)
	c.ChunkBytes = cmp.Or(c.ChunkBytes, DefaultChunkBytes)
	c.MinBackoff = cmp.Or(c.MinBackoff, DefaultMinBackoff)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, DefaultMaxBackoff)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.SessionTimeout = cmp.Or(c.SessionTimeout, DefaultSessionTimeout)
	c.RebalanceTimeout = cmp.Or(c.RebalanceTimeout, DefaultRebalanceTimeout)
	c.QueueBytes = cmp.Or(c.QueueBytes, DefaultQueueBytes)
	return c
}

// Validate reports every fault that shows without a broker. A zero field stands
// for its default.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("pillow %s: "+format, append([]any{c.Name}, args...)...))
	}
	if c.Name == "" {
		faults = append(faults, errors.New("pillow: no name"))
	}
	if len(c.Topics) == 0 {
		fault("no topics: name at least one")
	}
	for i, topic := range c.Topics {
		if err := changefeed.ValidateTopic(topic); err != nil {
			fault("%w", err)
		}
		if slices.Contains(c.Topics[:i], topic) {
			fault("topic %s is named twice", topic)
		}
	}
	if c.ChunkSize < 1 || c.ChunkSize > docstore.MaxBatch {
		fault("chunk size %d: want 1 to %d", c.ChunkSize, docstore.MaxBatch)
	}
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"chunk bytes", int64(c.ChunkBytes)},
		{"queue bytes", int64(c.QueueBytes)},
		{"least backoff", int64(c.MinBackoff)},
		{"drain timeout", int64(c.DrainTimeout)},
		{"session timeout", int64(c.SessionTimeout)},
		{"rebalance timeout", int64(c.RebalanceTimeout)},
	} {
		if f.value < 0 {
			fault("%s is negative", f.name)
		}
	}
	if c.MinBackoff > c.MaxBackoff {
		fault("the least backoff %s is above the greatest %s", c.MinBackoff, c.MaxBackoff)
	}
	return errors.Join(faults...)
}

// validate reports what is missing.
func (d Deps) validate() error {
	var faults []error
	if d.Stores == nil {
		faults = append(faults, errors.New("no document stores"))
	}
	if d.Log == nil {
		faults = append(faults, errors.New("no logger"))
	}
	if err := kgo.ValidateOpts(d.Client...); err != nil {
		faults = append(faults, fmt.Errorf("options for the brokers: %w", err))
	}
	return errors.Join(faults...)
}
