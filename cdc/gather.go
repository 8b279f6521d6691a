package cdc

import (
	"fmt"
	"net"
	"time"
)

const (
	// gatherBytes have to have arrived before a read that waits is woken, while
	// rows are gathered.
	gatherBytes = 64 << 10
	// gatherTime is how long the first of them may wait for the others.
	gatherTime = 2 * time.Millisecond
	// gatherFrom bytes within gatherWithin make it worth while, the rate of some
	// thousand commits a second.
	gatherFrom   = 10 << 10
	gatherWithin = 10 * time.Millisecond
)

// gather lets the bytes of a stream gather in the socket while many arrive. A
// server makes a call for each row, and each would wake the reader, which costs
// both of them more than the row itself. The socket's low-water mark keeps the
// reader asleep until there is something worth reading; a deadline bounds the
// time that rows wait. Where few arrive there is neither, and a read returns at
// once.
//
//	off ── gatherFrom within gatherWithin ──▶ on
//	 ▲                                        │
//	 └── less than that rate ─────────────────┘ looked at each gatherTime
type gather struct {
	set func(bytes int) error // the socket's low-water mark; nil: it has none

	on    bool
	since time.Time // when counting began
	bytes int       // that were read since
}

// read counts bytes that were read.
func (g *gather) read(conn net.Conn, n int) error {
	if g.set == nil {
		return nil
	}
	g.bytes += n
	now := time.Now()
	switch passed := now.Sub(g.since); {
	case g.on && passed >= gatherTime, !g.on && g.bytes >= gatherFrom && passed <= gatherWithin:
		return g.turn(conn, now)
	case !g.on && passed > gatherWithin:
		g.since, g.bytes = now, n
	}
	return nil
}

// late ends a gatherTime in which fewer bytes than the mark have come. They can
// be read after it.
func (g *gather) late(conn net.Conn) error { return g.turn(conn, time.Now()) }

// turn begins a gatherTime, or leaves it at that, by what was read since the last
// one.
func (g *gather) turn(conn net.Conn, now time.Time) error {
	enough := int64(g.bytes)*int64(gatherWithin) >= gatherFrom*int64(now.Sub(g.since))
	g.since, g.bytes = now, 0
	if !enough {
		return g.stop(conn)
	}
	if !g.on {
		if err := g.set(gatherBytes); err != nil {
			return fmt.Errorf("set low-water mark of the connection: %w", err)
		}
		g.on = true
	}
	if err := conn.SetReadDeadline(now.Add(gatherTime)); err != nil {
		return fmt.Errorf("set deadline of the connection: %w", err)
	}
	return nil
}

// stop makes reads return at once again.
func (g *gather) stop(conn net.Conn) error {
	if !g.on {
		return nil
	}
	g.on = false
	if err := g.set(1); err != nil {
		return fmt.Errorf("set low-water mark of the connection: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("set deadline of the connection: %w", err)
	}
	return nil
}
