package changefeed

import (
	"context"
	"time"
)

// A broker answers a request of one record as slowly as one of many, and both
// sides spend as much on it. So a sink makes few requests of the changes that it
// is given, without keeping one waiting that is alone:
//
//	changes                                    go to the broker
//	manyChanges in a call                      at once
//	fewChanges and more, and as many in every  paceTime after those before
//	calmTime since the last call
//	others                                     when those before have been acknowledged,
//	                                           or after calmTime
//
// What comes meanwhile is in the next call. The client's own delay would hold up
// the first of them as well, and for a millisecond at least, because a process
// that is otherwise idle is not woken more precisely.
const (
	// fewChanges in calmTime are so many commits a second that the latency of a
	// single one does not matter.
	fewChanges  = 16
	manyChanges = 512
	// calmTime bounds a wait for a broker that is far away, which then has several
	// requests on their way.
	calmTime = 2 * time.Millisecond
	paceTime = 10 * time.Millisecond
)

// pace decides when a sink produces. It is the publishing goroutine's.
type pace struct {
	called   time.Time // the last time
	produced time.Time // what went before
	timer    *time.Timer
}

// wait waits until n changes may go to the broker.
func (p *pace) wait(ctx context.Context, s *KafkaSink, n int) error {
	now := time.Now()
	left, few := p.left(n, now)
	p.called = now
	if left <= 0 || few && s.settled() {
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
			if few && s.settled() || s.failed() {
				return nil
			}
		case <-p.timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// left is how long n changes wait at most. few are done with waiting when those
// before them are acknowledged.
func (p *pace) left(n int, now time.Time) (left time.Duration, few bool) {
	switch {
	case n >= manyChanges:
		return 0, false
	case n >= fewChanges && now.Sub(p.called) <= time.Duration(n)*calmTime/fewChanges:
		return paceTime - now.Sub(p.produced), false
	default:
		return calmTime, true
	}
}
