package cdc

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the waiting time between attempts that fail: it doubles from a
// tenth of a second to some seconds, and is scattered so that publishers that
// lost one server do not come back in step.
type backoff struct{ last time.Duration }

const (
	backoffFirst = 100 * time.Millisecond
	backoffLast  = 3 * time.Second
)

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, backoffFirst), backoffLast)
	return scatter(b.last)
}

// scatter returns a time between three and five quarters of d.
func scatter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
