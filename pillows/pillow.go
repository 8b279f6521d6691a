package pillows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/docstore"
)

// Pillow is a named subscriber: it reads topics as a member of a consumer group
// and gives every change and its document to its processors.
type Pillow struct {
	config     Config
	client     []kgo.Opt
	stores     *docstore.Registry
	log        *slog.Logger
	observe    func(Observation)
	processors []Processor

	member atomic.Pointer[member] // while Run runs
	ran    atomic.Bool
}

// New returns a pillow. It does no I/O and starts nothing.
func New(c Config, d Deps, processors ...Processor) (*Pillow, error) {
	faults := []error{c.Validate()}
	if err := d.validate(); err != nil {
		faults = append(faults, fmt.Errorf("pillow %s: %w", c.Name, err))
	}
	if len(processors) == 0 {
		faults = append(faults, fmt.Errorf("pillow %s: no processors: give it at least one", c.Name))
	}
	names := make(map[string]bool, len(processors))
	for _, p := range processors {
		if name := p.Name(); name == "" || names[name] {
			faults = append(faults, fmt.Errorf("pillow %s: processor name %q is empty or used twice", c.Name, name))
		}
		names[p.Name()] = true
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Pillow{
		config:     c.WithDefaults(),
		client:     d.Client,
		stores:     d.Stores,
		log:        d.Log.With("pillow", c.Name),
		observe:    d.Observe,
		processors: processors,
	}, nil
}

// Run reads and works until ctx ends. It then finishes the chunks in work, not
// what is queued, commits, leaves the group and returns nil; or an error where
// that takes longer than the drain timeout. A pillow can be run once.
func (p *Pillow) Run(ctx context.Context) error {
	if p.ran.Swap(true) {
		return fmt.Errorf("pillow %s has been run before: make a new one", p.config.Name)
	}
	working, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	m := newMember(p)
	client, err := kgo.NewClient(m.options(working)...)
	if err != nil {
		return fmt.Errorf("run pillow %s: %w", p.config.Name, err)
	}
	p.member.Store(m)
	defer p.member.Store(nil)

	committing, stopCommitting := context.WithCancel(working)
	var background sync.WaitGroup
	background.Go(func() { m.committer.run(committing, client) })
	background.Go(func() { m.watch(ctx, client) })
	m.receive(ctx, client)

	// The order matters. No record is handed to a worker any more.
	// 1. Every worker finishes its chunk and waits until its last offset is
	//    committed. Heartbeats go on, and partitions may still move.
	// 2. Only then the committer ends.
	// 3. The group is left: others get the partitions at once, behind our offsets.
	// 4. The client closes. What has not ended by the drain timeout is cut off in
	//    step 1: its changes have no verdict and will be read again.
	timer := time.AfterFunc(p.config.DrainTimeout, abandon)
	m.stop()
	timer.Stop()
	cutOff := working.Err() != nil
	stopCommitting()
	background.Wait()
	m.goodbye(ctx, client)
	if cutOff {
		return fmt.Errorf("run pillow %s: chunks in work were cut off after %s: their changes will be read again", p.config.Name, p.config.DrainTimeout)
	}
	return nil
}
