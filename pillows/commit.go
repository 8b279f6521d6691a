package pillows

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// commitRetry is the wait before offsets that were refused are sent again.
	commitRetry = 250 * time.Millisecond
	// unknownTopicTries is how often an offset is sent for a topic that the
	// coordinator does not know: one that was just made is known soon, one that
	// was deleted never is, and then nobody needs the offset.
	unknownTopicTries = 20
)

// committer sends offsets to the group's coordinator, one request at a time, in
// each request the newest offset of every partition that has one: partitions
// that finish chunks while a request is under way share the next one. What fails
// is sent again until it is taken or forgotten.
type committer struct {
	group  string
	notice notice
	wake   chan struct{} // has one element while there may be something to send

	mu      sync.Mutex
	pending map[partition]*commitment
}

// commitment is an offset on its way to the broker.
type commitment struct {
	topicID  [16]byte // of the topic that was read: one made again under its name is another
	at       kgo.EpochOffset
	metadata string
	tries    int           // belongs to the goroutine of run
	done     chan struct{} // closed once the broker has it
}

func newCommitter(group string, log *slog.Logger) *committer {
	return &committer{
		group:   group,
		notice:  notice{log: log},
		wake:    make(chan struct{}, 1),
		pending: make(map[partition]*commitment),
	}
}

// put hands over an offset. The worker must have no other offset under way.
func (c *committer) put(p partition, m *commitment) {
	m.done = make(chan struct{})
	c.mu.Lock()
	c.pending[p] = m
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// forget drops an offset that has not been sent.
func (c *committer) forget(p partition, m *commitment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[p] == m {
		delete(c.pending, p)
	}
}

// run sends until ctx ends.
func (c *committer) run(ctx context.Context, client *kgo.Client) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		for c.sendAll(ctx, client) != nil {
			timer := time.NewTimer(commitRetry)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	}
}

// sendAll sends what is pending and returns the first refusal.
func (c *committer) sendAll(ctx context.Context, client *kgo.Client) error {
	c.mu.Lock()
	batch := maps.Clone(c.pending)
	c.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	refused := send(ctx, client, c.group, batch)
	var first error
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, m := range batch {
		m.tries++
		err := refused(p)
		if errors.Is(err, kerr.UnknownTopicID) && m.tries >= unknownTopicTries {
			c.notice.log.Error("an offset was dropped: its topic was deleted", "topic", p.topic, "partition", p.number, "offset", m.at.Offset)
			err = nil
		}
		if err != nil {
			first = err
			continue
		}
		if c.pending[p] == m {
			delete(c.pending, p)
		}
		close(m.done)
	}
	if first == nil {
		c.notice.over("offsets are committed again")
	} else if ctx.Err() == nil && !passing(first) {
		c.notice.say("offsets cannot be committed: partitions wait, nothing is lost", explainGroup(first))
	}
	return first
}

// send commits a batch and returns a function that gives the refusal of a
// partition.
//
// The request is made here and not by the client's own commit, which waits while
// the group's members join again. Brokers take offsets in that time, and the
// partitions that stay with this member need not stand still. An offset that
// comes in the moment in between is refused, and sent again.
func send(ctx context.Context, client *kgo.Client, group string, batch map[partition]*commitment) func(partition) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = group
	req.MemberID, req.Generation = client.GroupMetadata()
	topics := make(map[string]int) // indexes of req.Topics
	names := make(map[[16]byte]string)
	for p, m := range batch {
		at, known := topics[p.topic]
		if !known {
			at = len(req.Topics)
			topics[p.topic] = at
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = p.topic, m.topicID
			req.Topics = append(req.Topics, t)
			names[m.topicID] = p.topic
		}
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p.number, m.at.Offset, m.at.Epoch, &m.metadata
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, rp)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return func(partition) error { return err }
	}
	answers := make(map[partition]error)
	for _, t := range resp.Topics {
		name := t.Topic
		if name == "" { // newer brokers answer by id
			name = names[t.TopicID]
		}
		for _, p := range t.Partitions {
			answers[partition{name, p.Partition}] = kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return func(p partition) error {
		err, answered := answers[p]
		if !answered {
			return errors.New("the broker gave no answer")
		}
		return err
	}
}

// passing reports whether a refusal is part of partitions moving between members
// and will be over in a moment.
func passing(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID)
}
