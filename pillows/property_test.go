package pillows_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

// step is one thing that happens in a scenario.
type step struct {
	kind string
	n    int
	wait time.Duration
}

var stepKinds = []string{
	"save", "save", "save", "delete", "stale", "join", "leave", "kill", "sink down", "sink up", "refuse", "accept", "store down", "store up", "refuse commits", "forget members",
}

// Whatever fails, comes and goes: every change gets a verdict from every
// processor, no offset is committed past a change without one, and in the end
// the sinks have the newest state of every document.
func TestNoOffsetPassesAChangeWithoutItsVerdicts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		partitions := rapid.IntRange(1, 4).Draw(rt, "partitions")
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				kind: rapid.SampledFrom(stepKinds).Draw(rt, "kind"),
				n:    rapid.IntRange(0, 40).Draw(rt, "n"),
				wait: time.Duration(rapid.IntRange(0, 8000).Draw(rt, "wait")) * time.Millisecond,
			}
		}), 5, 25).Draw(rt, "steps")
		if !t.Run("scenario", func(t *testing.T) {
			inWorld(t, int32(partitions), func(t *testing.T, w *world) { newScenario(t, w, partitions).run(steps) })
		}) {
			rt.Fatalf("steps %+v", steps)
		}
	})
}

// scenario is a pillow of two processors whose surroundings fail.
type scenario struct {
	*world
	partitions int
	sinks      []*pillowtest.Recorder
	members    []*scenarioMember

	sinkDown, storeDown atomic.Bool
	refused             atomic.Int64 // documents below it are refused
	next                int
	newest              map[string]changefeed.Change
	publishedCount      int

	mu      sync.Mutex
	where   map[string]spot          // of changes, by position
	settled map[string]map[spot]bool // by processor
	bad     []string
}

type spot struct {
	partition int32
	offset    int64
}

type scenarioMember struct {
	*run
	line *wire
	dead *atomic.Bool
}

func newScenario(t *testing.T, w *world, partitions int) *scenario {
	t.Helper()
	s := &scenario{
		world: w, partitions: partitions,
		newest: make(map[string]changefeed.Change), where: make(map[string]spot), settled: make(map[string]map[spot]bool),
	}
	for _, name := range []string{"first", "second"} {
		sink := pillowtest.NewRecorder(name)
		s.settled[name] = make(map[spot]bool)
		sink.Before = func(context.Context, *pillows.Batch) error {
			time.Sleep(5 * time.Millisecond)
			if name == "second" && s.sinkDown.Load() {
				return errors.New("sink is down")
			}
			return nil
		}
		sink.Refuse = func(item pillows.Item) error {
			var n int64
			_, _ = fmt.Sscanf(item.Change.Meta.DocumentID, "doc-%d", &n)
			if name == "first" && n < s.refused.Load() {
				return errors.New("refused")
			}
			return nil
		}
		s.sinks = append(s.sinks, sink)
	}
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1, Topic: topic, When: s.checkCommit})
	return s
}

// checkCommit looks at every commit that a broker gets.
func (s *scenario) checkCommit(req kmsg.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
		for _, p := range t.Partitions {
			for name, settled := range s.settled {
				for offset := range p.Offset {
					if !settled[spot{p.Partition, offset}] {
						s.bad = append(s.bad, fmt.Sprintf("offset %d of partition %d was committed, and %s has no verdict on %d", p.Offset, p.Partition, name, offset))
						return true
					}
				}
			}
		}
	}
	return true
}

func (s *scenario) observe(o pillows.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range o.Verdicts {
		at := s.where[o.Changes[i].Position.String()]
		if v == pillows.Open || at.partition != o.Partition {
			s.bad = append(s.bad, fmt.Sprintf("observed %s in partition %d: %+v", v, o.Partition, o.Changes[i]))
		}
		s.settled[o.Processor][at] = true
	}
}

func (s *scenario) send(changes ...changefeed.Change) {
	s.t.Helper()
	// Records are noted before a pillow can see them: the offsets are known.
	records := make([]*kgo.Record, len(changes))
	s.mu.Lock()
	ends := make(map[int32]int64)
	for _, at := range s.where {
		ends[at.partition] = max(ends[at.partition], at.offset+1)
	}
	for i := range changes {
		records[i] = changefeed.NewRecord(&changes[i])
		p := int32(partitionOf(changes[i].Meta.DocumentID, s.partitions))
		s.where[changes[i].Position.String()] = spot{p, ends[p]}
		ends[p]++
	}
	s.mu.Unlock()
	s.produce(records...)
	s.publishedCount += len(changes)
}

func (s *scenario) start() {
	line, dead := s.wire(), new(atomic.Bool)
	deps := s.deps()
	deps.Client, deps.Observe = line.options(), s.observe
	deps.Stores = new(docstore.Registry)
	if err := deps.Stores.Register(source, &moody{Store: s.store, down: &s.storeDown}); err != nil {
		s.t.Fatal(err)
	}
	c := config()
	c.ChunkSize, c.MaxBackoff = 10, 5*time.Second
	processors := make([]pillows.Processor, len(s.sinks))
	for i, sink := range s.sinks {
		processors[i] = &mortal{sink, dead}
	}
	s.members = append(s.members, &scenarioMember{s.startWith(c, deps, processors...), line, dead})
}

func (s *scenario) run(steps []step) {
	s.start()
	for _, step := range steps {
		s.do(step)
		time.Sleep(step.wait)
	}
	s.sinkDown.Store(false)
	s.storeDown.Store(false)
	s.refused.Store(0)
	if len(s.members) == 0 {
		s.start()
	}
	total := s.untilCommitted(int64(s.publishedCount))
	if total.Changes != int64(s.publishedCount) || total.Total() != 2*total.Changes {
		s.t.Errorf("progress %+v, want %d changes and twice as many verdicts", total, s.publishedCount)
	}
	for id, c := range s.newest {
		for _, sink := range s.sinks {
			body, present := sink.Read(id)
			if present == c.Meta.IsDeletion || present && string(body) != fmt.Sprintf(`{"lsn": %d}`, c.Position.LSN) {
				s.t.Errorf("%s has %q, %v of %s, want version %d, deletion %v", sink.Name(), body, present, id, c.Position.LSN, c.Meta.IsDeletion)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, bad := range s.bad {
		s.t.Error(bad)
	}
}

func (s *scenario) do(step step) {
	switch step.kind {
	case "save":
		for range step.n {
			id := fmt.Sprintf("doc-%d", s.next%25)
			s.next++
			c := s.stub(id, false)
			s.store.Put(docstore.Document{ID: id, Body: fmt.Appendf(nil, `{"lsn": %d}`, c.Position.LSN)})
			s.newest[id] = c
			s.send(c)
		}
	case "delete":
		id := fmt.Sprintf("doc-%d", step.n%25)
		c := s.stub(id, true)
		s.store.Delete(id)
		s.newest[id] = c
		s.send(c)
	case "stale": // a repeat of something old, as after a publisher was cut off
		for _, c := range s.newest {
			s.lsn++ // for its own place in the topic
			c.Position.Ordinal, c.Version = s.lsn, c.Version-1
			s.send(c)
			return
		}
	case "join":
		if len(s.members) < 4 {
			s.start()
		}
	case "leave":
		if len(s.members) > 0 {
			if err := s.members[0].stop(); err != nil {
				s.t.Errorf("Run: %v", err)
			}
			s.members = s.members[1:]
		}
	case "kill":
		if len(s.members) > 0 {
			// kfake keeps a member for ever that dies while it joins: Kafka does not.
			s.until("no member is joining", func() bool { info := s.cluster.GroupInfo(group); return info == nil || info.State == "Stable" })
			s.members[0].dead.Store(true)
			s.members[0].line.cut()
			s.members[0].cancel()
			s.members = s.members[1:]
		}
	case "sink down", "sink up":
		s.sinkDown.Store(step.kind == "sink down")
	case "refuse":
		s.refused.Store(int64(step.n))
	case "accept":
		s.refused.Store(0)
	case "store down", "store up":
		s.storeDown.Store(step.kind == "store down")
	case "refuse commits":
		s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: topic, Err: kerr.GroupAuthorizationFailed, Count: step.n})
	case "forget members":
		s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	}
}

// mortal is a processor of a process that can be killed: it does nothing more.
type mortal struct {
	pillows.Processor
	dead *atomic.Bool
}

func (m *mortal) Process(ctx context.Context, b *pillows.Batch) error {
	if m.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Processor.Process(ctx, b)
}

// moody is a store that can be down, and leaves documents for another read at
// every third.
type moody struct {
	docstore.Store
	down  *atomic.Bool
	reads atomic.Int64
}

func (m *moody) GetMany(ctx context.Context, at docstore.Horizon, ids []string) ([]docstore.Result, error) {
	if m.down.Load() {
		return nil, errors.New("connection refused")
	}
	results, err := m.Store.GetMany(ctx, at, ids)
	if m.reads.Add(1)%3 == 0 && err == nil {
		for i := range results {
			if i%3 != 1 && len(results) > 1 {
				results[i] = docstore.Result{Err: docstore.ErrNotRead}
			}
		}
	}
	return results, err
}
