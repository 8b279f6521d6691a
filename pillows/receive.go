package pillows

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// pollRecords bounds what one poll hands out: rebalances wait for that long.
	pollRecords = 2000
	// queueChunks is how many chunks are read ahead of a worker.
	queueChunks = 4
	// patience is how long polling waits for room in a full queue. Fetching a
	// partition again after a pause costs more than that, so only partitions that
	// are slower than it are paused; while polling waits, no other member waits.
	patience = 50 * time.Millisecond
)

// receive polls until ctx ends and hands what comes to the workers. It never
// waits for a worker while a rebalance would wait for it.
func (m *member) receive(ctx context.Context, client *kgo.Client) {
	for ctx.Err() == nil {
		m.makeRoom(ctx, client)
		fetches := client.PollRecords(ctx, pollRecords)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { m.deliver(client, &p) })
		client.AllowRebalance()
	}
}

// deliver queues what was fetched of one partition.
func (m *member) deliver(client *kgo.Client, p *kgo.FetchTopicPartition) {
	w := m.worker(partition{p.Topic, p.Partition})
	if p.Err != nil {
		m.fetchFailed(client, w, p)
	}
	if w == nil {
		return // it went to another member, which reads it again
	}
	if p.HighWatermark > 0 {
		w.setEnd(p.HighWatermark)
	}
	if len(p.Records) == 0 {
		return
	}
	m.group.over("the consumer group works again")
	entries := make([]entry, len(p.Records))
	for i, r := range p.Records {
		entries[i] = newEntry(r)
	}
	w.queue.put(entries)
}

// fetchFailed deals with an error in place of records.
func (m *member) fetchFailed(client *kgo.Client, w *worker, p *kgo.FetchTopicPartition) {
	var session *kgo.ErrGroupSession
	var loss *kgo.ErrDataLoss
	switch err := p.Err; {
	case errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
	case errors.As(err, &session):
		m.group.say("this member lost its place in the consumer group: it joins again", explainGroup(session.Err))
	case errors.As(err, &loss):
		m.log.Error("the brokers lost records that this pillow had read; it reads on where they agree again: compare the sinks with the source",
			"topic", p.Topic, "partition", p.Partition, "error", loss)
	case w == nil:
		m.group.say("reading failed", explainTopic(p.Topic, err), "topic", p.Topic)
	case kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicID):
		// the client tries again by itself
	default:
		w.queue.putFault(&fault{err: err, fetch: true})
		m.pause(client, w)
	}
}

// makeRoom waits until no queue is full, or pauses fetching for those that are.
func (m *member) makeRoom(ctx context.Context, client *kgo.Client) {
	var timer *time.Timer
	for {
		full := m.full()
		if len(full) == 0 {
			return
		}
		if timer == nil {
			timer = time.NewTimer(patience)
			defer timer.Stop()
		}
		select {
		case <-m.room:
		case <-timer.C:
			for _, w := range full {
				m.pause(client, w)
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// full returns the workers whose queues are full.
func (m *member) full() []*worker {
	return slices.DeleteFunc(m.all(), func(w *worker) bool { return !w.queue.full(m.bounds()) })
}

// bounds are those of one queue.
func (m *member) bounds() (records, bytes int) {
	return queueChunks * m.pillow.config.ChunkSize, int(m.share.Load())
}

func (m *member) pause(client *kgo.Client, w *worker) {
	w.queue.pause(func() {
		client.PauseFetchPartitions(map[string][]int32{w.partition.topic: {w.partition.number}})
	})
}

// hasRoom is called by a worker that has taken from its queue: fetching goes on
// once it is half empty.
func (m *member) hasRoom(client *kgo.Client, w *worker) {
	records, bytes := m.bounds()
	w.queue.resume(max(records/2, 1), max(bytes/2, 1), func() {
		client.ResumeFetchPartitions(map[string][]int32{w.partition.topic: {w.partition.number}})
	})
	select {
	case m.room <- struct{}{}:
	default:
	}
}
