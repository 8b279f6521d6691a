package changefeed

import (
	"context"
	"time"
)

// A broker answers a request of one record as slowly as one of many, and both
// sides spend as much on it. So a sink makes few requests of the changes that it
// is given, without keeping one waiting that is alone:
//
//	changes in a call        goes to the broker
//	fewer than fewChanges    when what went before has been acknowledged, or after calmTime
//	fewer than manyChanges   paceTime after what went before
//	more                     at once
//
// What comes meanwhile is in the next call. The client's own delay would hold up
// the first of them as well, and for a millisecond at least, because a process
// that is otherwise idle is not woken more precisely.
const (
	// fewChanges in calmTime are so many commits a second that their latency is
	// another matter than that of a single one.
	fewChanges  = 16
	manyChanges = 512
	// calmTime bounds a wait for a broker that is far away, which then has several
	// requests on their way.
	calmTime = 2 * time.Millisecond
	paceTime = 10 * time.Millisecond
)

// pace decides when a sink produces. It is the publishing goroutine's.
type pace struct {
	last  time.Time // what went before
	timer *time.Timer
}

// wait waits until n changes may go to the broker.
func (p *pace) wait(ctx context.Context, s *KafkaSink, n int) error {
	left := p.left(n)
	if left <= 0 || n < fewChanges && s.settled() {
		return nil
	}
	if p.timer == nil {
		p.timer = time.NewTimer(left)
	} else {
		p.timer.Reset(left)
	}
	defer p.timer.Stop()
	for {
		select {
		case <-s.room:
			if n < fewChanges && s.settled() || s.failed() {
				return nil
			}
		case <-p.timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// left is how long n changes wait at most.
func (p *pace) left(n int) time.Duration {
	switch {
	case n < fewChanges:
		return calmTime
	case n < manyChanges:
		return paceTime - time.Since(p.last)
	default:
		return 0
	}
}

// produced notes that changes go to the broker.
func (p *pace) produced() { p.last = time.Now() }
