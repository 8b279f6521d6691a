package readback

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What ListOffsets asks for, and as whom.
const (
	startOffset = -2
	endOffset   = -1

	asConsumer = -1 // the end is the high watermark
	asReplica  = -2 // of no number, for debugging: the end is that of the leader's log
)

// locate finds the partitions of the topics, the first time, and their leaders.
func (r *reading) locate(ctx context.Context) error {
	topics, err := kadm.NewClient(r.client).ListTopics(ctx, r.topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	first := r.partitions == nil
	for _, name := range r.topics {
		topic, ok := topics[name]
		switch {
		case !ok, errors.Is(topic.Err, kerr.UnknownTopicOrPartition):
			return fmt.Errorf("topic %s: %w", name, errMissing)
		case topic.Err != nil:
			return explainTopic(name, topic.Err)
		case first:
			r.add(topic)
		}
	}
	for _, p := range r.partitions {
		topic := topics[p.topic]
		if topic.ID != p.topicID {
			return fmt.Errorf("topic %s: %w", p.topic, ErrWentBack)
		}
		p.leader = -1
		if d, ok := topic.Partitions[p.number]; ok {
			p.leader = d.Leader
		}
	}
	return nil
}

// add adds the partitions of a topic.
func (r *reading) add(topic kadm.TopicDetail) {
	for number := range int32(len(topic.Partitions)) { // they are numbered from 0
		r.partitions = append(r.partitions, &partition{topic: topic.Topic, topicID: topic.ID, number: number})
	}
	r.names[topic.ID] = topic.Topic
}

// listBounds sets where partitions start and end.
func (r *reading) listBounds(ctx context.Context) error {
	err := r.list(ctx, startOffset, asConsumer, func(p *partition, offset int64) { p.start = offset })
	if err != nil {
		return err
	}
	return r.listEnds(ctx)
}

func (r *reading) listEnds(ctx context.Context) error {
	return r.list(ctx, endOffset, asConsumer, func(p *partition, offset int64) { p.end = offset })
}

// listWritten notes how far the leaders' logs go.
func (r *reading) listWritten(ctx context.Context) error {
	if r.mute {
		return nil
	}
	err := r.patiently(ctx, func() error {
		return r.list(ctx, endOffset, asReplica, func(p *partition, offset int64) { p.written = offset })
	})
	if err != nil && ctx.Err() == nil {
		r.mute = true
		r.log.Warn("the brokers do not tell how far their logs go: what all replicas have yet to get may be published again", "error", err)
		return nil
	}
	return err
}

// checkBounds compares new bounds with what has been read.
func (r *reading) checkBounds() error {
	for _, p := range r.partitions {
		if p.next > p.end {
			return fmt.Errorf("topic %s, partition %d: %w", p.topic, p.number, ErrWentBack)
		}
		p.next = max(p.next, p.start) // retention was faster
	}
	return nil
}

// list asks the leaders for an offset of each partition.
func (r *reading) list(ctx context.Context, which int64, as int32, set func(p *partition, offset int64)) error {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = as
	byPlace := make(map[place]*partition, len(r.partitions))
	for _, p := range r.partitions {
		byPlace[place{p.topic, p.number}] = p
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.topic {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.number, which
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, rp)
	}
	listed := 0
	for _, shard := range r.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return fmt.Errorf("list offsets: %w", shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, rp := range t.Partitions {
				if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
					return fmt.Errorf("list offsets: %w", explain(t.Topic, rp.Partition, err))
				}
				if p := byPlace[place{t.Topic, rp.Partition}]; p != nil {
					set(p, rp.Offset)
					listed++
				}
			}
		}
	}
	if listed != len(r.partitions) {
		return fmt.Errorf("list offsets: the brokers answered for %d of %d partitions", listed, len(r.partitions))
	}
	return nil
}

// place names a partition.
type place struct {
	topic  string
	number int32
}
