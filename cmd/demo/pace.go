package demo

import (
	"context"
	"sync"
	"time"
)

// budget is what is left of the changes that the writer makes.
type budget struct {
	finite bool

	mu   sync.Mutex
	left int
}

// newBudget returns a budget of n changes, or one without end for 0.
func newBudget(n int) *budget { return &budget{finite: n > 0, left: n} }

// take returns how many of n changes may be made.
func (b *budget) take(n int) int {
	if !b.finite {
		return n
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.left)
	b.left -= n
	return n
}

// giveBack returns changes that were taken and not made.
func (b *budget) giveBack(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// any reports whether anything is left.
func (b *budget) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.finite || b.left > 0
}

// catchUp bounds the time in which nothing was asked for and that is made up for.
const catchUp = 100 * time.Millisecond

// pace spaces changes out in time.
type pace struct {
	interval time.Duration // between two changes

	mu   sync.Mutex
	next time.Time
}

func newPace(rate int) *pace {
	return &pace{interval: time.Second / time.Duration(rate), next: time.Now()}
}

// wait waits for the time of the next change. It reports false when ctx has
// ended.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-catchUp); p.next.Before(earliest) {
		p.next = earliest
	}
	until := p.next.Sub(now)
	p.next = p.next.Add(p.interval)
	p.mu.Unlock()

	timer := time.NewTimer(until)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// spend takes the time of n further changes.
func (p *pace) spend(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.next.Add(time.Duration(n) * p.interval)
}
