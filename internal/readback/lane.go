package readback

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed"
)

const (
	// maxLanes are read at the same time, each with one request under way.
	maxLanes = 4
	// fetchBytes is what a reply holds at most, partitionBytes what of one
	// partition.
	fetchBytes     = 1 << 20
	partitionBytes = 512 << 10
	// fetchWaitMillis is how long a broker waits that has nothing to send.
	fetchWaitMillis = 500
	// emptyReplies in a row say that there is nothing. One alone may come from a
	// broker that fetches old records from elsewhere and is late.
	emptyReplies = 5
)

// lane reads partitions of one leader.
type lane struct {
	reading      *reading
	leader       int32
	left         []*partition // not at their ends, by topic and number
	empty        int          // replies in a row that held nothing
	decompressor kgo.Decompressor
	positions    []changefeed.Position // of one partition in one reply
}

func newLane(r *reading, leader int32, partitions []*partition) *lane {
	return &lane{reading: r, leader: leader, left: slices.Clone(partitions), decompressor: kgo.DefaultDecompressor()}
}

// run reads until every partition is at its end.
func (l *lane) run(ctx context.Context) error {
	for len(l.left) > 0 {
		resp, err := l.fetch(ctx)
		if err != nil {
			return err
		}
		if err := l.take(ctx, resp); err != nil {
			return err
		}
		l.left = slices.DeleteFunc(l.left, func(p *partition) bool { return p.next >= p.end })
	}
	return nil
}

// fetch asks for what comes next.
func (l *lane) fetch(ctx context.Context) (*kmsg.FetchResponse, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = fetchWaitMillis, 1, fetchBytes
	req.SessionEpoch = -1 // no session
	for _, p := range l.left {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.topic {
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = p.topic, p.topicID
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.number, p.next, partitionBytes
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, rp)
	}
	answer, err := l.reading.client.Broker(int(l.leader)).Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w: %w", l.leader, errConnection, err)
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch from broker %d: %w", l.leader, err)
	}
	return resp, nil
}

// take reads a reply.
func (l *lane) take(ctx context.Context, resp *kmsg.FetchResponse) error {
	asked := make(map[place]*partition, len(l.left))
	for _, p := range l.left {
		asked[place{p.topic, p.number}] = p
	}
	moved := false
	for i := range resp.Topics {
		t := &resp.Topics[i]
		name := t.Topic
		if name == "" { // later versions of the protocol have the id alone
			name = l.reading.names[t.TopicID]
		}
		for j := range t.Partitions {
			p := asked[place{name, t.Partitions[j].Partition}]
			if p == nil {
				continue
			}
			before := p.next
			if err := l.takePartition(ctx, p, &t.Partitions[j]); err != nil {
				return explain(p.topic, p.number, err)
			}
			moved = moved || p.next > before
		}
	}
	return l.skipHoles(moved)
}

// skipHoles ends partitions that the leader has had nothing of for several
// replies. A reply that has something may only have had no room for them. A leader
// whose log ends earlier than when the ends were listed is asked for them again.
func (l *lane) skipHoles(moved bool) error {
	l.empty++
	if moved {
		l.empty = 0
	}
	if l.empty < emptyReplies {
		return nil
	}
	for _, p := range l.left {
		if p.watermark < p.end {
			return explain(p.topic, p.number, kerr.OffsetNotAvailable)
		}
		p.next = p.end
	}
	return nil
}

// takePartition reads what a reply holds of a partition.
func (l *lane) takePartition(ctx context.Context, p *partition, rp *kmsg.FetchResponseTopicPartition) error {
	if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
		return err
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: p.next, Topic: p.topic, Partition: p.number,
	}, rp, l.decompressor, nil)
	l.positions = l.positions[:0]
	for _, r := range fetched.Records {
		if position, ok := l.reading.positionOf(r); ok {
			l.positions = append(l.positions, position)
		}
	}
	if err := l.reading.hand(ctx, l.positions); err != nil {
		return err
	}
	if next <= p.next && fetched.Err != nil {
		return fmt.Errorf("read record batch at offset %d: %w", p.next, fetched.Err)
	}
	p.next, p.watermark = max(next, p.next), rp.HighWatermark
	return nil
}

// positionOf returns the position of a record of the source.
func (r *reading) positionOf(record *kgo.Record) (changefeed.Position, bool) {
	for i := range record.Headers {
		h := &record.Headers[i]
		if h.Key != changefeed.HeaderPosition {
			continue
		}
		if !bytes.HasPrefix(h.Value, r.prefix) {
			return changefeed.Position{}, false
		}
		p, err := changefeed.ParsePosition(string(h.Value))
		p.Source = r.source // keeps no text of its own for each
		return p, err == nil
	}
	return changefeed.Position{}, false
}
