package pillows_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

// slow makes every batch take a while, so that rebalances meet chunks in work.
func slow(ctx context.Context, _ *pillows.Batch) error {
	timer := time.NewTimer(time.Duration(20+rand.IntN(200)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tally counts how often each change was given to a processor.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(b *pillows.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	for i := range b.Items {
		c.counts[b.Items[i].Change.Position.String()]++
	}
}

func (c *tally) times() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// small chunks, so that there are many of them.
func smallChunks() pillows.Config {
	c := config()
	c.ChunkSize = 5
	return c
}

func TestMembersComeAndGoWithoutLossOrRepetition(t *testing.T) {
	const partitions, changes = 12, 12_000
	inWorld(t, partitions, func(t *testing.T, w *world) {
		sink, given := pillowtest.NewRecorder("report"), new(tally)
		sink.Before = func(ctx context.Context, b *pillows.Batch) error {
			given.add(b) // whatever becomes of the call
			return slow(ctx, b)
		}
		members := []*run{w.start(smallChunks(), sink)}
		all := ids(changes)
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for part := range 60 {
				w.save(all[part*changes/60 : (part+1)*changes/60]...)
				time.Sleep(500 * time.Millisecond)
			}
		})
		for range 14 {
			time.Sleep(2 * time.Second)
			if len(members) < 4 && (len(members) < 2 || rand.IntN(2) == 0) {
				members = append(members, w.start(smallChunks(), sink))
				continue
			}
			i := rand.IntN(len(members))
			if err := members[i].stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			members = append(members[:i], members[i+1:]...)
		}
		total := w.untilCommitted(changes)
		if total.Changes != changes || total.Total() != changes {
			t.Errorf("progress %+v, want %d changes", total, changes)
		}
		times := given.times()
		if len(times) != changes || len(perChange(sink.Deliveries())) != changes {
			t.Errorf("%d changes were given, want %d", len(times), changes)
		}
		twice := 0
		for _, n := range times {
			if n > 1 {
				twice++
			}
		}
		if twice > 0 {
			t.Errorf("%d changes were given more than once", twice)
		}
		if epoch := w.cluster.GroupInfo(group).Epoch; epoch < 10 {
			t.Errorf("the group has been through %d generations only", epoch)
		}
	})
}

// dying is a processor of a process that can be killed: afterwards it does
// nothing.
func dying(sink *pillowtest.Recorder, dead *atomic.Bool) {
	before := sink.Before
	sink.Before = func(ctx context.Context, b *pillows.Batch) error {
		if before != nil {
			if err := before(ctx, b); err != nil {
				return err
			}
		}
		if dead.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
}

func TestAKilledMemberLosesNothingAndItsPartitionsAreTakenOver(t *testing.T) {
	const partitions, changes = 6, 2000
	inWorld(t, partitions, func(t *testing.T, w *world) {
		var dead atomic.Bool
		victim, heir := pillowtest.NewRecorder("report"), pillowtest.NewRecorder("report")
		victim.Before, heir.Before = slow, slow
		dying(victim, &dead)
		line := w.wire()
		deps := w.deps()
		deps.Client = line.options()
		killed := w.startWith(smallChunks(), deps, victim)
		w.start(smallChunks(), heir)
		w.until("both have partitions", func() bool {
			info := w.cluster.GroupInfo(group)
			return len(info.Members) == 2 && info.Members[0].NumAssigned() == 3 && info.Members[1].NumAssigned() == 3
		})
		w.save(ids(changes)...)
		time.Sleep(3 * time.Second)

		dead.Store(true) // as kill -9: nothing is written and nothing is said any more
		line.cut()
		before := len(perChange(victim.Deliveries()))
		died := time.Now()
		w.until("the heir has all partitions", func() bool {
			info := w.cluster.GroupInfo(group)
			return len(info.Members) == 1 && info.Members[0].NumAssigned() == partitions
		})
		if took := time.Since(died); took > pillows.DefaultSessionTimeout+pillows.DefaultRebalanceTimeout {
			t.Errorf("the partitions were taken over after %s", took)
		}
		total := w.untilCommitted(changes)
		if total.Changes != changes || total.Total() != changes {
			t.Errorf("progress %+v, want %d changes", total, changes)
		}
		times := perChange(append(victim.Deliveries(), heir.Deliveries()...))
		twice := 0
		for _, n := range times {
			if n > 1 {
				twice++
			}
		}
		if len(times) != changes || before == 0 || before == changes {
			t.Errorf("%d changes were given, want %d; %d of them by the member that was killed", len(times), changes, before)
		}
		// A chunk in work and one whose offset was on its way, in each partition.
		if most := 3 * 2 * smallChunks().ChunkSize; twice > most {
			t.Errorf("%d changes were given twice, want at most %d", twice, most)
		}
		killed.cancel()
	})
}

func TestALostPartitionIsLeftWithoutACommit(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		var calls atomic.Int32
		var cutOff atomic.Bool
		sink.Before = func(ctx context.Context, _ *pillows.Batch) error {
			if calls.Add(1) == 1 {
				<-ctx.Done() // the call must not outlive the ownership
				cutOff.Store(true)
				return ctx.Err()
			}
			return nil
		}
		next := pillowtest.NewRecorder("next")
		var callsOfNext atomic.Int32
		next.Before = func(context.Context, *pillows.Batch) error { callsOfNext.Add(1); return nil }
		w.save(ids(10)...)
		w.start(config(), sink, next)
		w.until("the chunk is in work", func() bool { return calls.Load() == 1 })
		commits := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		w.until("the call was cut off", cutOff.Load)
		if n := commits.Hits(); n != 0 {
			t.Errorf("%d commits although the partition was lost", n)
		}
		total := w.untilCommitted(10) // after joining again
		if total.Changes != 10 || total.Applied != 20 {
			t.Errorf("progress %+v", total)
		}
		if n := callsOfNext.Load(); n != 1 {
			t.Errorf("the next processor was called %d times, want once: not when the partition was lost", n)
		}
	})
}

func TestARevokedPartitionWhoseChunkDoesNotEndIsCutOffInTime(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		stuck, other := pillowtest.NewRecorder("report"), pillowtest.NewRecorder("report")
		stuck.Before = newGate().pass // never opened
		c := config()
		c.RebalanceTimeout = 20 * time.Second
		w.save(ids(100)...)
		w.start(c, stuck)
		time.Sleep(5 * time.Second)
		began := time.Now()
		w.start(c, other)
		w.until("the second member has worked", func() bool { return len(other.Deliveries()) > 0 })
		if took := time.Since(began); took > c.RebalanceTimeout+5*time.Second {
			t.Errorf("it took %s", took)
		}
		if n := len(w.log.lines("cut off")); n != 1 {
			t.Errorf("it said %d times that a chunk was cut off, want once", n)
		}
		if info := w.cluster.GroupInfo(group); len(info.Members) != 2 {
			t.Errorf("%d members, want 2", len(info.Members))
		}
	})
}

func TestARevokedPartitionThatWaitsIsGivenUpAtOnce(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		down, up := pillowtest.NewRecorder("report"), pillowtest.NewRecorder("report")
		down.Before = func(context.Context, *pillows.Batch) error { return fmt.Errorf("sink is down") }
		w.save(ids(100)...)
		w.start(config(), down)
		time.Sleep(5 * time.Minute) // far into the backoff
		began := time.Now()
		w.start(config(), up)
		w.until("the second member has worked", func() bool { return len(up.Deliveries()) > 0 })
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
