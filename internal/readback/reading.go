package readback

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"changefeed"
)

const (
	// settlePause lies between two looks whether anything has arrived.
	settlePause = 100 * time.Millisecond
	// retryPause lies between two tries of what passes by itself.
	retryPause = 250 * time.Millisecond
	// patience is how long tries go on that bring nothing.
	patience = 30 * time.Second
)

// reading is one Read or Last.
type reading struct {
	client *kgo.Client
	log    *slog.Logger
	topics []string
	source string
	prefix []byte // that the positions of the source begin with

	partitions []*partition // of all topics
	names      map[[16]byte]string
	stale      bool // leaders have changed, or may have
	mute       bool // the brokers do not tell how far their logs go

	turn chan struct{} // has room for the one lane that calls each
	each func(changefeed.Position) error
	own  int // records of the source so far
}

// partition is one partition and how far it has been read.
type partition struct {
	topic   string
	topicID [16]byte
	number  int32
	leader  int32 // node id; -1 where there is none

	next    int64 // the offset to read next
	start   int64 // the first offset that there is
	end     int64 // where to read to
	written int64 // where the leader's log ended when the ends were listed last

	watermark int64 // the end, as the last reply had it
}

func newReading(client *kgo.Client, log *slog.Logger, source string, topics []string, each func(changefeed.Position) error) *reading {
	topics = slices.Clone(topics)
	slices.Sort(topics)
	return &reading{
		client: client, log: log, topics: slices.Compact(topics), each: each,
		turn: make(chan struct{}, 1), source: source, prefix: []byte(source + "/"), names: make(map[[16]byte]string),
	}
}

// begin finds the partitions and sets where to read them from and to.
func (r *reading) begin(ctx context.Context, from func(*partition) int64) error {
	err := r.patiently(ctx, func() error {
		if err := r.locate(ctx); err != nil {
			return err
		}
		return r.listBounds(ctx)
	})
	if err != nil {
		return err
	}
	for _, p := range r.partitions {
		p.next = max(from(p), p.start)
		if p.next > p.end {
			p.next = p.start
		}
	}
	return nil
}

// settle reads on until two looks in a row find nothing of the source.
func (r *reading) settle(ctx context.Context) error {
	slow := time.Now().Add(10 * settlePause)
	quiet := 0
	for {
		own := r.own
		if err := r.readOn(ctx); err != nil {
			return err
		}
		late := slices.IndexFunc(r.partitions, func(p *partition) bool { return p.next < p.written })
		if late < 0 && r.own == own {
			quiet++
		} else {
			quiet = 0
		}
		if late >= 0 && !slow.IsZero() && time.Now().After(slow) {
			p := r.partitions[late]
			r.log.Warn("waiting until all replicas in sync have what is in their leader's log: see that every broker runs",
				"topic", p.topic, "partition", p.number, "end", p.end, "written", p.written)
			slow = time.Time{}
		}
		if quiet == 2 {
			return nil
		}
		if err := r.listWritten(ctx); err != nil {
			return err
		}
		if err := pause(ctx, settlePause); err != nil {
			return err
		}
	}
}

// readOn reads to where the partitions end now.
func (r *reading) readOn(ctx context.Context) error {
	err := r.patiently(ctx, func() error { return r.listEnds(ctx) })
	if err == nil {
		err = r.checkBounds()
	}
	if err == nil {
		err = r.readToEnds(ctx)
	}
	return err
}

// readToEnds reads every partition to its end.
func (r *reading) readToEnds(ctx context.Context) error {
	return r.patiently(ctx, func() error {
		if r.stale {
			if err := r.locate(ctx); err != nil {
				return err
			}
			if err := r.listBounds(ctx); err != nil {
				return err
			}
			if err := r.checkBounds(); err != nil {
				return err
			}
			r.stale = false
		}
		err := r.readLanes(ctx)
		r.stale = err != nil
		return err
	})
}

// readLanes reads what is left of every partition, in lanes.
func (r *reading) readLanes(ctx context.Context) error {
	lanes, err := r.lanes()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxLanes)
	for _, l := range lanes {
		group.Go(func() error { return l.run(ctx) })
	}
	return group.Wait()
}

// lanes divides the partitions that are not at their ends by leader, and further
// where there are few: while the reply to one lane is worked on, the broker works
// on another.
func (r *reading) lanes() ([]*lane, error) {
	byLeader := make(map[int32][]*partition)
	for _, p := range r.partitions {
		if p.next >= p.end {
			continue
		}
		if p.leader < 0 {
			return nil, explain(p.topic, p.number, kerr.LeaderNotAvailable)
		}
		byLeader[p.leader] = append(byLeader[p.leader], p)
	}
	var lanes []*lane
	parts := (maxLanes + len(byLeader) - 1) / max(len(byLeader), 1) // lanes for each leader
	for leader, partitions := range byLeader {
		for some := range slices.Chunk(partitions, (len(partitions)+parts-1)/parts) {
			lanes = append(lanes, newLane(r, leader, some))
		}
	}
	return lanes, nil
}

// hand gives positions to the caller.
func (r *reading) hand(ctx context.Context, positions []changefeed.Position) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, p := range positions {
		if err := r.each(p); err != nil {
			return err
		}
	}
	r.own += len(positions)
	return nil
}

// ends returns where the reading has ended.
func (r *reading) ends() changefeed.Offsets {
	ends := make(changefeed.Offsets, len(r.topics))
	for _, p := range r.partitions { // ordered by number
		ends[p.topic] = append(ends[p.topic], p.next)
	}
	return ends
}

// patiently repeats what fails with an error that passes by itself, until for
// some time nothing has been read.
func (r *reading) patiently(ctx context.Context, try func() error) error {
	var since time.Time
	var read int64 // when since was set
	for {
		err := try()
		if err == nil || !passes(err) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if now := r.distance(); since.IsZero() || now != read {
			since, read = time.Now(), now
		}
		if time.Since(since) > patience {
			return err
		}
		if err := pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

// distance is how far all partitions together have been read.
func (r *reading) distance() (sum int64) {
	for _, p := range r.partitions {
		sum += p.next
	}
	return sum
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
