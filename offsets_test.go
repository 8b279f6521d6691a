package changefeed_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"changefeed"
)

// changeOf returns a change of a document on a topic.
func changeOf(topic, id string) changefeed.Change {
	c := logChange()
	c.Topic, c.Meta.DocumentID = topic, id
	return c
}

func TestMemorySinkOffsetsFollowTheFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := changefeed.NewMemoryLog()
		s := log.Sink(nil)
		s.Hold()
		type batch struct {
			ends  changefeed.Offsets // of the topics, once it is published
			acked bool
		}
		var batches []batch
		ends := changefeed.Offsets{}
		floor := 0
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				var all []changefeed.Change
				for _, topic := range rapid.SliceOfN(rapid.SampledFrom([]string{"form-sql", "case-sql", "ledger"}), 0, 5).Draw(t, "topics") {
					all = append(all, changeOf(topic, "doc"))
					if ends[topic] == nil {
						ends[topic] = []int64{0}
					}
					ends[topic][0]++
				}
				batches = append(batches, batch{ends: ends.Clone(), acked: len(all) == 0})
				if err := s.Publish(t.Context(), uint64(len(batches)), all); err != nil {
					t.Fatal(err)
				}
			},
			"acknowledge": func(t *rapid.T) {
				if len(batches) == 0 {
					t.Skip("nothing published")
				}
				i := rapid.IntRange(0, len(batches)-1).Draw(t, "batch")
				batches[i].acked = true
				s.Acknowledge(uint64(i + 1))
			},
			"": func(t *rapid.T) {
				for floor < len(batches) && batches[floor].acked {
					floor++
				}
				want := changefeed.Offsets{}
				if floor > 0 {
					want = batches[floor-1].ends
				}
				got := s.Offsets()
				if len(got) == 0 {
					got = changefeed.Offsets{}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("offsets at floor %d (-want +got):\n%s", floor, diff)
				}
			},
		})
	})
}

func TestMemoryLogOutlivesItsSinks(t *testing.T) {
	log := changefeed.NewMemoryLog()
	lost := log.Sink(nil)
	lost.Hold()
	if err := lost.Publish(t.Context(), 1, changes(3)); err != nil {
		t.Fatal(err)
	}
	lost.Acknowledge(1)
	if err := lost.Publish(t.Context(), 2, changes(5)[3:]); err != nil {
		t.Fatal(err)
	}
	lost.Close()
	lost.Release()
	if err := lost.Publish(t.Context(), 3, changes(1)); !errors.Is(err, changefeed.ErrSinkClosed) {
		t.Errorf("Publish after Close gave %v", err)
	}
	from := lost.Offsets()
	if diff := cmp.Diff(changefeed.Offsets{"form-sql": {3}}, from); diff != "" {
		t.Errorf("offsets of the lost sink (-want +got):\n%s", diff)
	}

	other := changes(1)[0]
	other.Position.Source = "elsewhere"
	if err := log.Sink(nil).Publish(t.Context(), 1, []changefeed.Change{other}); err != nil {
		t.Fatal(err)
	}
	var ordinals []uint64
	ends, err := log.Read(t.Context(), "main", []string{"form-sql", "case-sql"}, from, false, func(p changefeed.Position) error {
		ordinals = append(ordinals, p.Ordinal)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{3, 4}, ordinals); diff != "" {
		t.Errorf("ordinals read from %v on (-want +got):\n%s", from, diff)
	}
	if diff := cmp.Diff(changefeed.Offsets{"form-sql": {6}, "case-sql": {0}}, ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
}

// endsOf asks the brokers for the ends of topics, the empty partitions at a
// topic's end left out.
func endsOf(t *testing.T, brokers []kgo.Opt, topics ...string) changefeed.Offsets {
	t.Helper()
	client, err := kgo.NewClient(brokers...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topics...)
	if err != nil {
		t.Fatal(err)
	}
	ends := changefeed.Offsets{}
	for _, topic := range topics {
		for n := range int32(len(listed[topic])) {
			ends[topic] = append(ends[topic], listed[topic][n].Offset)
		}
		for n := len(ends[topic]); n > 0 && ends[topic][n-1] == 0; n-- {
			ends[topic] = ends[topic][:n-1]
		}
	}
	return ends
}

func TestKafkaSinkOffsetsAreThoseAfterTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql", "case-sql")
		s := kafkaSink(t, brokers, newProgress())
		if offsets := s.Offsets(); len(offsets) != 0 {
			t.Errorf("before anything is published: %v", offsets)
		}
		for seq := range uint64(50) {
			var all []changefeed.Change
			for i := range 20 {
				all = append(all, changeOf([]string{"form-sql", "case-sql"}[i/3%2], fmt.Sprint("doc", seq, i)))
			}
			if err := s.Publish(t.Context(), seq+1, all); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(endsOf(t, brokers, "form-sql", "case-sql"), s.Offsets()); diff != "" {
			t.Errorf("offsets when all is acknowledged (-ends +got):\n%s", diff)
		}
	})
}

func TestKafkaSinkOffsetsDoNotPassWhatIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, brokers := kafkaOf(t, 2, "form-sql")
		ids := map[int32]string{} // a document for each broker
		for i := 0; len(ids) < 2; i++ {
			id := fmt.Sprint("doc", i)
			ids[cluster.LeaderFor("form-sql", int32(changefeed.Partition([]byte(id), 4)))] = id
		}
		const stuck, works = 0, 1
		cut := true
		cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if cut && cluster.CurrentNode() == stuck {
				return nil, errors.New("connection cut"), true
			}
			return nil, nil, false
		})
		s := kafkaSink(t, brokers, newProgress())
		publish := func(seq uint64, ids ...string) {
			t.Helper()
			var all []changefeed.Change
			for _, id := range ids {
				all = append(all, changeOf("form-sql", id))
			}
			if err := s.Publish(t.Context(), seq, all); err != nil {
				t.Fatal(err)
			}
		}
		publish(1, ids[works])
		publish(2, ids[works], ids[stuck], ids[works])
		publish(3, ids[works])
		time.Sleep(time.Minute)
		sum := func(o changefeed.Offsets) (sum int64) {
			for _, n := range o["form-sql"] {
				sum += n
			}
			return sum
		}
		if in := sum(endsOf(t, brokers, "form-sql")); in != 4 {
			t.Fatalf("%d records are in the topic, want the four of the broker that works", in)
		}
		if offsets := s.Offsets(); sum(offsets) != 1 {
			t.Errorf("with the second batch half acknowledged: %v, want past the first batch alone", offsets)
		}
		cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) { cut = false; return nil, nil, false })
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(endsOf(t, brokers, "form-sql"), s.Offsets()); diff != "" {
			t.Errorf("offsets when all is acknowledged (-ends +got):\n%s", diff)
		}
	})
}

func TestKafkaSinkOffsetsStayWhereARecordIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql")
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		if err := s.Publish(t.Context(), 1, changes(5)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := endsOf(t, brokers, "form-sql")
		if err := s.Publish(t.Context(), 2, append(changes(2), changeOf("no-such-topic", "a"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := p.state(); err == nil {
			t.Fatal("the record was not refused")
		}
		if diff := cmp.Diff(want, s.Offsets()); diff != "" {
			t.Errorf("offsets after the failure (-want +got):\n%s", diff)
		}
	})
}

// kafkaOf starts several brokers inside the test's bubble.
func kafkaOf(t *testing.T, n int, topics ...string) (*kfake.Cluster, []kgo.Opt) {
	t.Helper()
	var network kfake.VirtualNetwork
	ports := make([]int, n)
	for i := range ports {
		ports[i] = i + 1
	}
	cluster, err := kfake.NewCluster(kfake.Ports(ports...), kfake.SeedTopics(4, topics...), kfake.ListenFn(network.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(network.DialContext)}
}
