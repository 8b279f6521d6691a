package demo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"changefeed/cmd/stack"
)

// summarize counts and compares. Publisher and pillow have ended.
func (d *demo) summarize(ctx context.Context, s *stack.Stack, took time.Duration) (_ *Summary, err error) {
	published, err := records(ctx, s)
	if err != nil {
		return nil, err
	}
	conn, err := d.shop.connect(ctx, superuser)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if d.beforeCompare != nil {
		if err := d.beforeCompare(ctx, conn); err != nil {
			return nil, err
		}
	}
	c, err := compare(ctx, conn)
	if err != nil {
		return nil, err
	}
	a, w := d.tracker.account(), d.writer
	observed := a.counts.Total() + a.repeats + a.strays
	return &Summary{
		Changes:   w.changes.Load(),
		Published: published,
		Applied:   a.counts.Applied, Superseded: a.counts.Superseded, Filtered: a.counts.Filtered, Parked: a.counts.Parked,
		Lost: a.open,
		// A record that the pillow has not come to, when all that were waited for
		// had their verdicts, is one that nobody waits for.
		Unexpected: a.strays + max(published-observed-a.open, 0),
		Repeated:   a.repeats,
		Mismatched: c.mismatched(), Rows: c.rows,
		P50: milliseconds(a.latency.quantile(0.5)), P99: milliseconds(a.latency.quantile(0.99)), Max: milliseconds(a.latency.most),
		Transactions: w.transactions.Load(), RolledBack: w.rolledBack.Load(), Savepoints: w.savepoints.Load(), Largest: w.biggest.Load(),
		Seconds: round(took.Seconds(), 1000), ChangesPerSecond: round(float64(w.changes.Load())/took.Seconds(), 10),
		PeakRSS:    peakRSS(),
		comparison: c, lost: d.tracker.lost(), strays: a.examples,
	}, nil
}

// round drops digits that say nothing.
func round(x, parts float64) float64 { return math.Round(x*parts) / parts }

// records returns how many records were ever put on the topic.
func records(ctx context.Context, s *stack.Stack) (int64, error) {
	admin, err := s.Admin()
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("count the records of topic %s: %w", topic, err)
	}
	var n int64
	for _, end := range ends[topic] {
		n += end.Offset
	}
	return n, nil
}
