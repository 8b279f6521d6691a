package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/pillows"
)

// sample is what is shown of one moment.
type sample struct {
	elapsed time.Duration
	wanted  int64 // changes that the writer will make; 0 for no end

	changes, transactions, rolledBack, savepoints int64

	account   account
	publisher cdc.Stats
	pillow    pillows.Stats
	slot      slot

	rates   rates // over the last seconds
	latency *histogram
	history []float64 // verdicts a second, the newest last
}

// rates are in changes a second.
type rates struct{ committed, published, settled float64 }

// slot is the state of the replication slot.
type slot struct {
	name   string
	active bool
	behind int64 // bytes of log that it still holds back
}

const (
	rateWindow    = 2 * time.Second
	latencyWindow = 10 * time.Second
	historyLength = 60 // seconds
)

// gauge takes samples, and remembers what it needs for rates.
type gauge struct {
	demo  *demo
	parts parts
	begun time.Time
	conn  *pgx.Conn // asks for the slot; nil where that is not shown

	counts    []counted
	latencies []measured
	history   []float64
	second    counted // when the last value of history was taken
	slot      slot
	asked     time.Time
}

type counted struct {
	at                            time.Time
	committed, published, settled int64
}

type measured struct {
	at time.Time
	h  *histogram
}

func newGauge(d *demo, p parts, conn *pgx.Conn) *gauge {
	now := time.Now()
	return &gauge{demo: d, parts: p, conn: conn, begun: now, second: counted{at: now}}
}

// take takes a sample.
func (g *gauge) take(ctx context.Context) (*sample, error) {
	now := time.Now()
	w := g.demo.writer
	s := &sample{
		elapsed: now.Sub(g.begun), wanted: int64(g.demo.options.Changes),
		changes: w.changes.Load(), transactions: w.transactions.Load(), rolledBack: w.rolledBack.Load(), savepoints: w.savepoints.Load(),
		account: g.demo.tracker.account(), publisher: g.parts.publisher.Stats(), pillow: g.parts.pillow.Stats(),
	}
	g.rate(s, now)
	g.lateness(s, now)
	if g.conn != nil && now.Sub(g.asked) >= time.Second {
		g.asked = now
		if err := g.askSlot(ctx); err != nil {
			return nil, err
		}
	}
	s.slot = g.slot
	return s, nil
}

func (g *gauge) rate(s *sample, now time.Time) {
	c := counted{at: now, committed: s.changes, published: int64(s.publisher.Acknowledged), settled: s.account.counts.Total()}
	g.counts = append(g.counts, c)
	for len(g.counts) > 2 && now.Sub(g.counts[1].at) >= rateWindow {
		g.counts = g.counts[1:]
	}
	first := g.counts[0]
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		s.rates = rates{
			committed: float64(c.committed-first.committed) / seconds,
			published: float64(c.published-first.published) / seconds,
			settled:   float64(c.settled-first.settled) / seconds,
		}
	}
	if passed := now.Sub(g.second.at); passed >= time.Second {
		g.history = append(g.history, float64(c.settled-g.second.settled)/passed.Seconds())
		g.history = g.history[max(len(g.history)-historyLength, 0):]
		g.second = c
	}
	s.history = g.history
}

func (g *gauge) lateness(s *sample, now time.Time) {
	g.latencies = append(g.latencies, measured{now, g.demo.tracker.recent()})
	for now.Sub(g.latencies[0].at) > latencyWindow {
		g.latencies = g.latencies[1:]
	}
	s.latency = new(histogram)
	for _, m := range g.latencies {
		s.latency.merge(m.h)
	}
}

func (g *gauge) askSlot(ctx context.Context) error {
	err := g.conn.QueryRow(ctx, `
SELECT slot_name, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint
FROM pg_replication_slots WHERE slot_type = 'logical' LIMIT 1`).Scan(&g.slot.name, &g.slot.active, &g.slot.behind)
	if err != nil {
		return fmt.Errorf("look at the replication slot: %w", err)
	}
	return nil
}

// finish draws the state at the end, whatever the time since the last sample.
func (g *gauge) finish(ctx context.Context, draw func(*sample)) error {
	s, err := g.take(ctx)
	if err != nil {
		return err
	}
	draw(s)
	return nil
}
