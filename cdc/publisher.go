package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Publisher publishes the changes of one source. See the package documentation
// for what it guarantees.
type Publisher struct {
	cfg      Config
	deps     Deps
	routes   map[TableName]*route
	messages *messages
	layout   string
	log      *slog.Logger
	watcher  *watcher

	counters counters

	// Of the goroutine of Run, and between the start and the end of a session's
	// status writer of that.
	reached bool                 // the server has answered for the slot once, if only that it is in use
	held    bool                 // the publisher has had the slot once
	routed  map[uint32]TableName // the routes that tables have had, by their OIDs
	heads   map[TableName]uint32 // the OIDs of the tables that had the routes' names first
	trouble string               // what the publisher waits for, as was last said
	wait    backoff              // between sessions

	// otherLog is why the log was found not to be the one that the topics' changes
	// come from, until a session has begun a new epoch for that.
	otherLog string
}

// New makes a publisher and does nothing with it yet.
func New(cfg Config, deps Deps) (*Publisher, error) {
	cfg = cfg.WithDefaults()
	cfg.Tables = slices.Clone(cfg.Tables)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	switch {
	case deps.OpenSink == nil:
		return nil, errors.New("make publisher: no OpenSink")
	case deps.Log == nil:
		return nil, errors.New("make publisher: no Log")
	case (deps.Checkpoints == nil) != (deps.Tails == nil):
		return nil, errors.New("make publisher: Checkpoints and Tails need each other")
	}
	p := &Publisher{cfg: cfg, deps: deps, log: deps.Log.With("source", cfg.Source), routed: make(map[uint32]TableName), heads: make(map[TableName]uint32)}
	p.layout = layoutOf(&p.cfg)
	p.counters.setState("stopped")
	p.watcher = newWatcher(&p.cfg, &p.counters, p.log)
	var err error
	if p.routes, err = newRoutes(&p.cfg, deps.Parents); err != nil {
		return nil, fmt.Errorf("make publisher: %w", err)
	}
	p.messages = newMessages(&p.cfg, p.routes, &p.counters, p.log)
	return p, nil
}

// Stats returns the publisher's state.
func (p *Publisher) Stats() Stats { return p.counters.stats() }

// Run publishes until ctx ends and everything read before is acknowledged: it
// then returns nil, or an error that wraps [ErrDrain] where that did not work.
// It returns any other error as soon as a person has to do something. Lost
// connections and failures of the sink it only waits for. Call it once.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.counters.setState("stopped")
	began := time.Now()
	for {
		err := p.session(ctx)
		pause, passing := errors.AsType[*interruption](err)
		switch {
		case err == nil && ctx.Err() != nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
			return nil
		case !passing || ctx.Err() != nil:
			return err
		}
		p.say(pause)
		wait := p.wait.next()
		if !p.reached {
			left := p.cfg.StartupTimeout - time.Since(began)
			if left <= 0 {
				return fmt.Errorf("source %s: %w for %s: %w", p.cfg.Source, ErrUnreachable, p.cfg.StartupTimeout, err)
			}
			wait = min(wait, left)
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// session runs one session from the first connection to the end.
func (p *Publisher) session(ctx context.Context) error {
	s := &session{
		cfg: &p.cfg, deps: &p.deps, routes: p.routes, routed: p.routed, heads: p.heads, messages: p.messages, counters: &p.counters, log: p.log,
		layout: p.layout, otherLog: p.otherLog,
		watcher: p.watcher, standBy: p.standBy, resumed: func() { p.otherLog = "" }, progress: p.progress,
	}
	for _, publication := range p.cfg.Publications() {
		s.publications = append(s.publications, publication.Name)
	}
	if p.trouble == "" {
		p.counters.setState("connecting")
	}
	if err := s.open(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if !p.held || p.trouble == waitsForSlot {
		p.log.Info("replication started", "slot", p.cfg.Slot)
	}
	p.reached, p.held = true, true
	if p.trouble == waitsForSlot {
		p.trouble = ""
	}
	p.counters.sessions.Add(1)
	p.counters.setState("streaming")
	p.counters.streaming.Store(true)
	defer p.counters.streaming.Store(false)
	err := s.run(ctx)
	if other, ok := errors.AsType[*otherLogError](err); ok {
		p.otherLog = other.Error()
	}
	return err
}

// waitsForSlot is the trouble of a stand-by.
const waitsForSlot = "slot"

// standBy waits before the next look at a slot that was in use. pid is the
// process that uses it, "" where it has just been left.
func (p *Publisher) standBy(ctx context.Context, pid string) error {
	p.reached = true
	if p.cfg.NoWait && !p.held && pid != "" {
		return fmt.Errorf("slot %s: %w: active for PID %s: end that publisher first, or run without --no-wait to take over when it ends",
			p.cfg.Slot, ErrSlotInUse, pid)
	}
	if pid != "" {
		p.counters.setState("waiting for slot (active for PID " + pid + ")")
	}
	if pid != "" && p.trouble != waitsForSlot {
		p.trouble = waitsForSlot
		p.log.Info("slot is in use, standing by to take over", "slot", p.cfg.Slot, "pid", pid)
	}
	return sleep(ctx, scatter(standbyInterval))
}

// say reports an interruption, once until there has been progress.
func (p *Publisher) say(pause *interruption) {
	p.counters.setState("waiting for " + pause.waits)
	if p.trouble == pause.waits {
		return
	}
	p.trouble = pause.waits
	p.log.Warn("publishing is interrupted, trying again", "waits_for", pause.waits, "error", pause.err)
}

// progress ends an interruption.
func (p *Publisher) progress() {
	p.wait = backoff{}
	if p.trouble != "" {
		p.log.Info("publishing goes on", "waited_for", p.trouble)
		p.trouble = ""
	}
}
