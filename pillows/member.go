package pillows

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveTimeout is how long the brokers may take to let a member go. One that
// cannot say goodbye is missed after its session timeout.
const leaveTimeout = 5 * time.Second

// member is one run of a pillow as a member of its consumer group.
type member struct {
	pillow    *Pillow
	log       *slog.Logger
	committer *committer
	room      chan struct{} // has one element after a full queue has got room
	share     atomic.Int64  // of Config.QueueBytes, for one partition
	group     notice        // what is wrong with the group
	brokers   notice        // what is wrong with the brokers or topics

	running sync.WaitGroup // the workers; nothing is added once stopped is set
	mu      sync.Mutex
	workers map[partition]*worker
	stopped bool
}

func newMember(p *Pillow) *member {
	return &member{
		pillow:    p,
		log:       p.log,
		committer: newCommitter(p.config.Group, p.log),
		room:      make(chan struct{}, 1),
		group:     notice{log: p.log},
		brokers:   notice{log: p.log},
		workers:   make(map[partition]*worker),
	}
}

// assigned starts a worker for each partition that came to this member.
func (m *member) assigned(working context.Context, client *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return
	}
	for p := range each(partitions) {
		if old := m.workers[p]; old != nil {
			old.abandon() // its records are fetched again from the committed offset
		}
		w := newWorker(m.pillow, p, m.committer)
		w.room = func(w *worker) { m.hasRoom(client, w) }
		w.refetch = w.room
		ctx, abandon := context.WithCancel(working)
		w.abandon = abandon
		m.workers[p] = w
		m.running.Go(func() {
			defer abandon()
			w.run(ctx)
		})
	}
	client.ResumeFetchPartitions(partitions) // paused by an earlier owner in this process
	m.divide()
}

// offsetsFetched gives new workers the offsets and the progress that were
// committed for their partitions.
func (m *member) offsetsFetched(resp *kmsg.OffsetFetchResponse) {
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				w := m.worker(partition{t.Topic, p.Partition})
				if w == nil || p.ErrorCode != 0 {
					continue
				}
				var metadata string
				if p.Metadata != nil {
					metadata = *p.Metadata
				}
				w.begin(t.TopicID, kgo.EpochOffset{Epoch: p.LeaderEpoch, Offset: max(p.Offset, -1)}, metadata)
			}
		}
	}
}

// revoked lets the workers of partitions that go to another member finish their
// chunks and commit. The group waits for that, but not for ever.
func (m *member) revoked(partitions map[string][]int32) {
	workers := m.of(partitions)
	for _, w := range workers {
		w.leave()
	}
	// What is left of the rebalance timeout is for the others to see the new
	// assignment.
	timer := time.NewTimer(m.pillow.config.RebalanceTimeout * 3 / 4)
	defer timer.Stop()
	for _, w := range workers {
		select {
		case <-w.done:
			continue
		case <-timer.C:
			m.log.Warn("a chunk in work was cut off: its partition goes to another member, which will read it again",
				"topic", w.partition.topic, "partition", w.partition.number)
		}
		m.lost(partitions)
		return
	}
	m.remove(workers)
}

// lost cuts off the workers of partitions that may belong to another member
// already. They commit nothing. A processor that does not heed its context is
// not waited for: what it still writes has versions.
func (m *member) lost(partitions map[string][]int32) {
	workers := m.of(partitions)
	for _, w := range workers {
		w.abandon()
	}
	timer := time.NewTimer(m.pillow.config.RebalanceTimeout / 4)
	defer timer.Stop()
	for _, w := range workers {
		select {
		case <-w.done:
			continue
		case <-timer.C:
			m.log.Error("a processor does not end although its partition was lost", "topic", w.partition.topic, "partition", w.partition.number)
		}
		break
	}
	m.remove(workers)
}

// stop has every worker finish its chunk and waits for them. No new ones start.
func (m *member) stop() {
	m.mu.Lock()
	m.stopped = true
	for _, w := range m.workers {
		w.leave()
	}
	m.mu.Unlock()
	m.running.Wait()
}

// goodbye leaves the group and closes the client.
func (m *member) goodbye(ctx context.Context, client *kgo.Client) {
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := client.LeaveGroupContext(leaving); err != nil {
		m.log.Warn("could not leave the consumer group: its other members get the partitions after the session timeout", "error", err)
	}
	client.CloseAllowingRebalance()
	// Close polls once more to drop what is buffered, and asks to leave again: it
	// must not be left waiting for that poll.
	client.AllowRebalance()
}

// worker returns the worker of a partition, or nil.
func (m *member) worker(p partition) *worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers[p]
}

// all returns the workers there are.
func (m *member) all() []*worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	workers := make([]*worker, 0, len(m.workers))
	for _, w := range m.workers {
		workers = append(workers, w)
	}
	return workers
}

// of returns the workers of partitions.
func (m *member) of(partitions map[string][]int32) []*worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	var workers []*worker
	for p := range each(partitions) {
		if w := m.workers[p]; w != nil {
			workers = append(workers, w)
		}
	}
	return workers
}

func (m *member) remove(workers []*worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range workers {
		if m.workers[w.partition] == w {
			delete(m.workers, w.partition)
		}
	}
	m.divide()
}

// divide gives every partition an equal share of the queue bytes. The caller
// holds the mutex.
func (m *member) divide() {
	m.share.Store(int64(m.pillow.config.QueueBytes / max(len(m.workers), 1)))
}

// each ranges over the partitions in a map by topic, as the client gives them.
func each(partitions map[string][]int32) func(yield func(partition) bool) {
	return func(yield func(partition) bool) {
		for topic, numbers := range partitions {
			for _, number := range numbers {
				if !yield(partition{topic, number}) {
					return
				}
			}
		}
	}
}
