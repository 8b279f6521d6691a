package postgres

import (
	"context"
	"sync/atomic"

	"changefeed"
)

// Epoch is what is known of a source's current epoch. The stores of all tables of
// a source share one. It only rises. Its methods may be called from many
// goroutines.
type Epoch struct {
	known atomic.Uint32
	ask   func(context.Context) (uint32, error)
}

// NewEpoch returns an Epoch that knows nothing yet. ask reads the epoch from where
// the source's publisher keeps it, 0 where that does not know it; nil if there is
// nowhere to ask.
func NewEpoch(ask func(context.Context) (uint32, error)) *Epoch { return &Epoch{ask: ask} }

// Known returns the highest epoch met so far, 0 for none.
func (e *Epoch) Known() uint32 { return e.known.Load() }

// Raise says that the source has had an epoch. What no source can have is passed
// over: it would make all epochs that follow count as old.
func (e *Epoch) Raise(to uint32) {
	if to > changefeed.MaxEpoch {
		return
	}
	for known := e.known.Load(); known < to; known = e.known.Load() {
		if e.known.CompareAndSwap(known, to) {
			return
		}
	}
}

// Learn asks for the epoch.
func (e *Epoch) Learn(ctx context.Context) error {
	if e.ask == nil {
		return nil
	}
	epoch, err := e.ask(ctx)
	if err != nil {
		return err
	}
	e.Raise(epoch)
	return nil
}
