package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// writers is the number of connections that make commits.
	writers = 8
	// settleTime is how long the last records may take to be acknowledged.
	settleTime = 2 * time.Second
)

// latency measures the time from commit to acknowledged record.
func (b *bench) latency(ctx context.Context) (measured []*delay, err error) {
	w, err := find(latency)
	if err != nil {
		return nil, err
	}
	s, err := b.prepare(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx))) }()
	for _, socket := range b.Sockets {
		for _, rate := range b.Rates {
			m := &delay{Workload: latency, Socket: socket, Rate: rate}
			taken := make(map[string][]delays)
			for round := range b.Rounds {
				for _, kind := range []string{jobRelay, jobPublish} {
					d, err := b.pace(ctx, s, m, kind)
					if err != nil {
						return nil, fmt.Errorf("latency at %d commits/s: %w", rate, err)
					}
					taken[kind] = append(taken[kind], d)
					b.say("latency, %s, %d commits/s, round %d: %s p50 %.2f ms, p99 %.2f ms (%.0f commits/s)", socket, rate, round+1, kind,
						milliseconds(d.at(50)), milliseconds(d.at(99)), d.rate)
				}
			}
			m.fill(taken)
			measured = append(measured, m)
		}
	}
	return measured, nil
}

// delays are those of one worker, ascending.
type delays struct {
	all  []time.Duration
	rate float64 // commits a second that were made
}

// at returns a percentile.
func (d *delays) at(percent int) time.Duration {
	if len(d.all) == 0 {
		return 0
	}
	return d.all[min(len(d.all)-1, len(d.all)*percent/100)]
}

// pace makes commits at a rate while a worker publishes them.
func (b *bench) pace(ctx context.Context, s *source, m *delay, kind string) (d delays, err error) {
	slot, drop, err := s.slot(ctx, false)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	b.runs++
	j := job{
		Kind: kind, Workload: m.Workload, DSN: s.dsn(m.Socket), Source: fmt.Sprintf("run%d", b.runs), Slot: slot,
		Publications: s.publications, Times: true,
	}
	if b.Profiles != "" && kind == jobPublish {
		j.Profile = fmt.Sprintf("%s/latency-%s-%d", b.Profiles, m.Socket, m.Rate)
	}
	err = b.withBroker(ctx, func(address string) error {
		j.Broker = address
		p, err := b.start(ctx, j)
		if err != nil {
			return err
		}
		if _, err := p.next(); err != nil {
			return err
		}
		commits, err := b.commit(ctx, s, m.Rate)
		if err != nil {
			return errors.Join(err, p.end())
		}
		p.ask()
		o, err := p.next()
		if err != nil {
			return err
		}
		d, err = commits.delays(o.Times)
		return errors.Join(err, p.end())
	})
	return d, err
}

// commits are those that writers made.
type commits struct {
	from    int // the number of the first
	begun   time.Time
	planned int
	rate    int

	next atomic.Int64
	mu   sync.Mutex
	at   map[string]time.Time // when the commit of a document was answered
}

// commit makes commits of one row each at a steady rate.
func (b *bench) commit(ctx context.Context, s *source, rate int) (*commits, error) {
	c := &commits{from: s.slots * 10_000_000, planned: int(float64(rate) * b.Time.Seconds()), rate: rate, begun: time.Now(), at: make(map[string]time.Time)}
	group, writing := errgroup.WithContext(ctx)
	for range writers {
		group.Go(func() error { return c.write(writing, s) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("write rows: %w", err)
	}
	select {
	case <-time.After(settleTime):
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *commits) write(ctx context.Context, s *source) error {
	conn, err := pgx.Connect(ctx, s.server.DSN(s.database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		i := int(c.next.Add(1)) - 1
		if i >= c.planned {
			return nil
		}
		timer := time.NewTimer(time.Until(c.begun.Add(time.Duration(i) * time.Second / time.Duration(c.rate))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		id := fmt.Sprintf("document-%d", c.from+i)
		if _, err := conn.Exec(ctx, insertDocument, c.from+i, id, fmt.Sprintf("kind-%d", i%7)); err != nil {
			return err
		}
		at := time.Now()
		c.mu.Lock()
		c.at[id] = at
		c.mu.Unlock()
	}
}

const insertDocument = `
INSERT INTO documents VALUES ($1, $2, 'tenant-1', $3, false, 'owner', 'device', now(), now(), '{"text": "0123456789"}')`

// delays matches commits with acknowledgements, but for the first tenth of the
// time.
func (c *commits) delays(times []acked) (delays, error) {
	acked := make(map[string]int64, len(times))
	for _, t := range times {
		acked[t.ID] = t.At
	}
	var d delays
	var last time.Time
	for id, at := range c.at {
		ack, ok := acked[id]
		if !ok {
			return d, fmt.Errorf("%d commits were made, %d records acknowledged, none of %s", len(c.at), len(times), id)
		}
		if at.After(last) {
			last = at
		}
		if at.Sub(c.begun) > time.Duration(c.planned/10)*time.Second/time.Duration(c.rate) {
			d.all = append(d.all, time.Unix(0, ack).Sub(time.Unix(0, at.UnixNano())))
		}
	}
	slices.Sort(d.all)
	d.rate = float64(len(c.at)) / last.Sub(c.begun).Seconds()
	return d, nil
}
