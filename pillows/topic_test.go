package pillows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestATopicThatDoesNotExistIsWaitedForAndNotMade(t *testing.T) {
	inWorld(t, 0, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		r := w.start(config(), sink)
		time.Sleep(5 * time.Second)
		const remedy = `topic orders does not exist: create it with \"changefeed init\"`
		if n := len(w.log.lines(remedy)); n != 1 {
			t.Errorf("it was said %d times, want once", n)
		}
		if s := r.Stats(); !strings.Contains(s.Waiting, "topic orders does not exist") {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(2 * time.Minute)
		if n := len(w.log.lines(remedy)); n < 3 || n > 6 {
			t.Errorf("it was said %d times in two minutes", n)
		}
		if w.cluster.TopicInfo(topic) != nil {
			t.Error("the topic was made")
		}
		if err := w.cluster.CreateTopic(topic, 3, nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.save(ids(10)...)
		w.untilCommitted(10)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the topic was read %s after it was made", took)
		}
		w.until("nothing is wrong any more", func() bool { return r.Stats().Waiting == "" })
	}, kfake.AllowAutoTopicCreation())
}

func TestATopicThatWasMadeAgainIsReadAfterARestart(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		r := w.start(config(), sink)
		w.save(ids(10)...)
		w.untilCommitted(10)
		if err := w.cluster.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.CreateTopic(topic, 1, nil); err != nil {
			t.Fatal(err)
		}
		w.until("the partition waits", func() bool { return r.Stats().Partitions[0].State == pillows.Waiting })
		if reason := r.Stats().Partitions[0].Reason; !strings.Contains(reason, "was deleted and made again: restart the pillow") {
			t.Errorf("reason %q", reason)
		}
		w.producer.PurgeTopicsFromClient(topic)
		w.save(ids(3)...)
		time.Sleep(time.Minute)
		if offsets, _ := w.committed(); offsets != 0 {
			t.Errorf("offset %d is committed to a topic that was not read", offsets)
		}
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the drain took %s", took)
		}
		w.start(config(), sink)
		w.untilCommitted(3)
	})
}

// The offset of a topic that is gone cannot be committed: nothing waits for it.
func TestTheOffsetOfADeletedTopicIsDropped(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink, g := pillowtest.NewRecorder("report"), newGate()
		sink.Before = g.pass
		r := w.start(config(), sink)
		w.save(ids(10)...)
		time.Sleep(time.Second)
		if err := w.cluster.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		g.open()
		began := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the drain took %s", took)
		}
		if n := len(w.log.lines("an offset was dropped", "offset=10")); n != 1 {
			t.Errorf("it said %d times that an offset was dropped, want once", n)
		}
	})
}

func TestNewPartitionsAreReadFromTheirBeginning(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.start(config(), sink)
		w.save(ids(10)...)
		w.untilCommitted(10)
		req := kmsg.NewPtrCreatePartitionsRequest()
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = topic, 4
		req.Topics = append(req.Topics, rt)
		if _, err := req.RequestWith(t.Context(), w.producer); err != nil {
			t.Fatal(err)
		}
		w.producer.ForceMetadataRefresh()
		time.Sleep(3 * time.Second) // the producer knows of them before the pillow does
		w.save(ids(100)...)
		w.untilCommitted(110)
	})
}

func TestATopicThatMayNotBeReadIsTriedAgain(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		sink := pillowtest.NewRecorder("report")
		w.save(ids(10)...)
		denied := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		r := w.start(config(), sink)
		time.Sleep(5 * time.Minute)
		if s := r.Stats().Partitions[0]; s.State != pillows.Waiting || !strings.Contains(s.Reason, "grant READ") {
			t.Errorf("stats %+v", s)
		}
		if n := denied.Hits(); n > 100 {
			t.Errorf("%d fetches in 5 minutes: it spins", n)
		}
		if n := len(w.log.lines(`msg="partition waits"`)); n != 1 {
			t.Errorf("it said %d times that it waits, want once", n)
		}
		denied.Remove()
		w.untilCommitted(10)
		if n := len(w.log.lines(`msg="partition goes on"`)); n != 1 {
			t.Errorf("it said %d times that it goes on, want once", n)
		}
	})
}

func TestAnEmptyPartitionThatMayBeReadAgainDoesNotWaitAnyMore(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		denied := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		r := w.start(config(), pillowtest.NewRecorder("report"))
		w.until("the partition waits", func() bool { s := r.Stats().Partitions; return len(s) == 1 && s[0].State == pillows.Waiting })
		denied.Remove()
		w.until("the partition does not wait", func() bool { return r.Stats().Partitions[0].State == pillows.Running })
	})
}
