package pillows_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestListTellsFromKafkaWhatAPillowDoes(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		zero, one := idIn(0, 2), idIn(1, 2)
		sink := pillowtest.NewRecorder("report")
		sink.Refuse = func(item pillows.Item) error {
			if item.Change.Meta.DocumentID == one {
				return errors.New("value does not convert")
			}
			return nil
		}
		deps := w.deps()
		deps.Client = append(deps.Client, kgo.ClientID("pillow-3"))
		w.save(zero, zero, one)
		r := w.startWith(config(), deps, sink)
		w.until("partition 1 waits", func() bool { _, p := w.committed(); return p.State == pillows.Waiting })
		since := time.Now().UTC().Truncate(time.Second)
		time.Sleep(100 * time.Second)

		list := w.list()
		waiting := 0
		for i := range list {
			if list[i].Since != nil {
				waiting++
				if d := list[i].Since.Sub(since); d < -time.Second || d > time.Second {
					t.Errorf("waiting since %s, want %s", list[i].Since, since)
				}
				list[i].Since = nil
			}
			if s := list[i].LagSeconds; s == nil || list[i].Partition == 1 && (*s < 100 || *s > 102) || list[i].Partition == 0 && *s != 0 {
				t.Errorf("partition %d: lag in seconds %v", list[i].Partition, s)
			}
			list[i].LagSeconds = nil
		}
		want := []pillows.PartitionStatus{
			{
				Pillow: group, Topic: topic, Partition: 0, Owner: "pillow-3/localhost:0", NextOffset: 2, EndOffset: 2,
				Counts: pillows.Counts{Applied: 1, Superseded: 1}, State: pillows.Running,
			},
			{
				Pillow: group, Topic: topic, Partition: 1, Owner: "pillow-3/localhost:0", NextOffset: 0, EndOffset: 1, Lag: 1,
				State: pillows.Waiting, Reason: "report: value does not convert",
			},
		}
		for i := range list {
			if !strings.HasPrefix(list[i].Owner, "pillow-3/") {
				t.Errorf("owner %q", list[i].Owner)
			}
			list[i].Owner = want[i].Owner
		}
		if diff := cmp.Diff(want, list); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
		if waiting != 1 {
			t.Errorf("%d partitions tell since when they wait, want 1", waiting)
		}

		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.list() {
			if s.State != pillows.Stopped || s.Owner != "" {
				t.Errorf("after the pillow has stopped: %+v", s)
			}
		}
	})
}

func (w *world) list() []pillows.PartitionStatus {
	w.t.Helper()
	list, err := pillows.List(w.t.Context(), w.client(), config())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestListOfAPillowThatNeverRan(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.save("a", "b")
		if err := w.cluster.DeleteRecords(topic, 0, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		list := w.list()
		if len(list) != 1 || list[0].NextOffset != 1 || list[0].Lag != 1 || list[0].State != pillows.Stopped || list[0].LagSeconds == nil || *list[0].LagSeconds < 10 {
			t.Errorf("list %+v", list)
		}
	})
}

// Other programs may write an offset's metadata, and do it in part.
func TestListTakesAReasonWithoutATimeAndATimeWithoutAReason(t *testing.T) {
	inWorld(t, 2, func(t *testing.T, w *world) {
		since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		offsets := make(kadm.Offsets)
		offsets.Add(kadm.Offset{Topic: topic, Partition: 0, LeaderEpoch: -1, Metadata: `v1 state=waiting reason="sink is down"`})
		offsets.Add(kadm.Offset{Topic: topic, Partition: 1, LeaderEpoch: -1, Metadata: `v1 state=waiting since=2026-01-02T03:04:05Z`})
		if err := kadm.NewClient(w.producer).CommitAllOffsets(t.Context(), group, offsets); err != nil {
			t.Fatal(err)
		}
		list := w.list()
		if len(list) != 2 || list[0].Since != nil || list[0].Reason != "sink is down" {
			t.Errorf("a reason without a time: %+v", list)
		}
		if len(list) != 2 || list[1].Since == nil || !list[1].Since.Equal(since) || list[1].Reason != "" {
			t.Errorf("a time without a reason: %+v", list)
		}
	})
}

func TestListNamesTopicsThatDoNotExist(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		c := config()
		c.Topics = append(c.Topics, "payments")
		list, err := pillows.List(t.Context(), w.client(), c)
		if err == nil || !strings.Contains(err.Error(), `topic payments does not exist: create it with "changefeed init"`) {
			t.Errorf("error %v", err)
		}
		if len(list) != 1 {
			t.Errorf("%d partitions, want the one of the topic that exists", len(list))
		}
	})
}

func TestListEndsWithItsContext(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		line := w.wire()
		line.cut()
		client, err := kgo.NewClient(line.options()...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := pillows.List(ctx, client, config()); err == nil {
			t.Error("no error without brokers")
		}
	})
}

func TestPartitionStatusAsJSON(t *testing.T) {
	age := 1.5
	s := pillows.PartitionStatus{
		Pillow: "p", Topic: "t", Partition: 3, Owner: "o", NextOffset: 4, EndOffset: 6, Lag: 2, LagSeconds: &age,
		Counts: pillows.Counts{Applied: 1, Superseded: 2, Filtered: 3, Parked: 4}, State: pillows.Running,
	}
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"pillow":"p","topic":"t","partition":3,"owner":"o","next_offset":4,"end_offset":6,"lag":2,"lag_s":1.5,` +
		`"applied":1,"superseded":2,"filtered":3,"parked":4,"state":"running"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}
