package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"changefeed"
)

const (
	// saveInterval is the least time between two checkpoints, but for the last.
	saveInterval = time.Second
	// saveTimeout is how long the state may take for one answer.
	saveTimeout = 10 * time.Second
	// maxUncovered bounds the changes that are published and that the saved
	// checkpoint does not cover: they have to be read back when it is needed. It is
	// more than the window holds, so what waits for it is acknowledged.
	maxUncovered = 1_000_000
	// lookInterval is the time between two looks at the ends of the topics.
	lookInterval = time.Hour
)

// saver is the stage of a session that saves its checkpoints: a moment after
// something of routed tables has been acknowledged, and but for a look at the
// ends of the topics never without that, because the state can be in the database
// that is read.
type saver struct {
	store   Checkpoints
	source  string
	claim   int64
	begin   Checkpoint
	top     place
	ends    changefeed.Offsets                                // of the topics when the session began
	look    func(context.Context) (changefeed.Offsets, error) // reads the ends of the topics
	replay  *replay
	window  *window
	offsets func() changefeed.Offsets // the sink's
	limit   uint64                    // of changes that are not covered
	log     *slog.Logger

	counters *counters
	stop     chan struct{} // closed by finish
	covered  atomic.Uint64 // of the changes that the session has given to the sink
	moved    chan struct{} // capacity 1: covered was raised

	saved   place // how far the last checkpoint says that the topics are complete
	failing bool
	looked  time.Time
	seen    changefeed.Offsets // ends that will be right when seenSeq is acknowledged; nil: none
	seenSeq uint64
}

// run saves until ctx ends or finish is called. It returns an error only where
// the source belongs to another publisher now.
func (v *saver) run(ctx context.Context) error {
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	v.looked = time.Now()
	for {
		select {
		case <-ticker.C:
		case <-v.stop:
			return nil
		case <-ctx.Done():
			return nil
		}
		raised := v.raiseEnds(ctx)
		if !v.replay.confirmed.Load() || v.window.headway().through.compare(v.saved) <= 0 && !raised {
			continue
		}
		if err := v.save(ctx, false); errors.Is(err, ErrFenced) {
			return stateLost(err)
		}
	}
}

// raiseEnds moves the offsets of partitions on that others write to and the sink
// seldom or never does: what others wrote there in months would be read back. It
// reports whether it has. The ends that it looks at are right once everything is
// acknowledged that had been published by then.
func (v *saver) raiseEnds(ctx context.Context) bool {
	if v.seen != nil {
		if !v.window.finished(v.seenSeq) {
			return false
		}
		v.ends, v.seen = furthest(v.ends, v.seen), nil
		return true
	}
	if time.Since(v.looked) < lookInterval {
		return false
	}
	v.looked = time.Now()
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	ends, err := v.look(bounded)
	if err != nil {
		v.log.Debug("the ends of the topics cannot be read, trying again in an hour", "error", err)
		return false
	}
	v.seen, v.seenSeq = ends, v.window.entered()
	return false
}

// finish ends run. Call it once.
func (v *saver) finish() { close(v.stop) }

// save saves one checkpoint, and tells once where that does not work.
func (v *saver) save(ctx context.Context, closed bool) error {
	// The offsets come first. Were they read last, they could be beyond a record
	// that is acknowledged in between, and nobody would read that back.
	offsets := v.offsets()
	at := v.window.headway()
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	err := v.store.Save(bounded, v.source, v.claim, v.checkpoint(offsets, at, closed))
	switch {
	case err == nil:
		if v.failing {
			v.log.Info("checkpoints are saved again")
		}
		v.failing = false
		v.saved = at.through
		v.covered.Store(at.changes)
		notify(v.moved)
	case ctx.Err() == nil && !v.failing && !errors.Is(err, ErrFenced):
		v.failing = true
		v.log.Warn("the checkpoint cannot be saved, trying again; publishing goes on for a while", "error", err)
	}
	return err
}

// checkpoint returns what to save of what has been acknowledged. While the log is
// not known to be the one that was published from, that is what was known at the
// beginning; offsets stay until what follows them is acknowledged.
func (v *saver) checkpoint(offsets changefeed.Offsets, at headway, closed bool) Checkpoint {
	c := v.begin
	c.Closed = closed
	if !v.replay.confirmed.Load() {
		return c
	}
	c.LSN = max(c.LSN, at.commit)
	if at.through.compare(placeOf(c.Acknowledged)) > 0 {
		c.Acknowledged = changefeed.Position{Source: v.source, Epoch: c.Epoch, LSN: at.through.lsn, Ordinal: at.through.ordinal}
	}
	if placeOf(c.Acknowledged).compare(v.top) >= 0 {
		c.Offsets = furthest(v.ends, offsets)
	}
	return c
}

// furthest returns the ends, raised to the offsets where these are beyond. It has
// the partitions of the ends: that there are more by now is noticed by the next
// session.
func furthest(ends, offsets changefeed.Offsets) changefeed.Offsets {
	out := ends.Clone()
	for topic, partitions := range out {
		for i, offset := range offsets[topic] {
			if i < len(partitions) {
				partitions[i] = max(partitions[i], offset)
			}
		}
	}
	return out
}

// room waits, visibly, while too many of the changes given to the sink are not
// covered by a checkpoint. What the log is tested by may always be published:
// nothing is saved before.
func (v *saver) room(ctx context.Context, given uint64) error {
	free := func() bool { return given < v.covered.Load()+v.limit || !v.replay.confirmed.Load() }
	if free() {
		return nil
	}
	v.log.Warn("publishing waits until a checkpoint can be saved", "changes", given-v.covered.Load())
	defer v.counters.during("waiting for state")()
	for !free() {
		select {
		case <-v.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// close saves the last checkpoint of a session that has published everything it
// read, and of which nothing is on its way any more.
func (v *saver) close(ctx context.Context) {
	if err := v.save(ctx, true); err != nil {
		v.log.Warn("the last checkpoint is not saved: the next start reads the topics back instead", "error", err)
	}
}

// stateLost tells a claim that another publisher took over from a state that is
// away.
func stateLost(err error) error {
	if errors.Is(err, ErrFenced) {
		return &interruption{waits: "another publisher", err: err}
	}
	return &interruption{waits: "state", err: fmt.Errorf("state of the source: %w", err)}
}
