package readback_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed"
	"changefeed/internal/readback"
)

// remake deletes a topic and makes it again.
func (f *topics) remake(topic string) {
	f.t.Helper()
	partitions := int32(len(f.PartitionInfos(topic)))
	if err := errors.Join(f.DeleteTopic(topic), f.CreateTopic(topic, partitions, nil)); err != nil {
		f.t.Fatal(err)
	}
	f.writer = f.client(writing...)
}

// writeMuch writes more than a few replies hold, and returns how many records.
func (f *topics) writeMuch(topic string, partitions int) (n int) {
	f.t.Helper()
	value := bytes.Repeat([]byte("x"), 10_000)
	var records []*kgo.Record
	for range 10 * 100 {
		r := f.own(topic, n%partitions)
		r.Value = value
		records = append(records, r)
		n++
	}
	f.write(records...)
	return n
}

func TestReadGoesOnWhereLeadersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 3, 2, "forms")
		n := f.writeMuch("forms", 2)
		var got []uint64
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, false, func(p changefeed.Position) error {
			if len(got)%200 == 0 {
				for partition := range int32(2) {
					leader := f.LeaderFor("forms", partition)
					if err := f.MoveTopicPartition("forms", partition, (leader+1)%3); err != nil {
						t.Error(err)
					}
				}
			}
			got = append(got, p.LSN)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(count(1, uint64(n)), got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
	})
}

func TestReadGoesOnWhereConnectionsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 2, "forms")
		n := f.writeMuch("forms", 2)
		requests := 0
		f.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			f.KeepControl()
			if requests++; requests%2 == 1 {
				return nil, errors.New("connection cut"), true
			}
			return nil, nil, false
		})
		got, _ := f.collect(nil, true, "forms")
		slices.Sort(got)
		if diff := cmp.Diff(count(1, uint64(n)), got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
	})
}

func TestReadGivesUpWhereNothingComesForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "forms", Err: kerr.KafkaStorageError, Count: -1})
		begun := time.Now()
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, true, ignore)
		if took := time.Since(begun); !errors.Is(err, kerr.KafkaStorageError) || !strings.Contains(err.Error(), "forms") || took < 30*time.Second || took > 35*time.Second {
			t.Errorf("after %v: %v; want the error of the partition after 30 s", took, err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.tails(0).Read(ctx, "main", []string{"forms"}, nil, true, ignore); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline of one second: %v", err)
		}
	})
}

func TestReadSaysWhatPermissionIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "forms", Err: kerr.TopicAuthorizationFailed, Count: -1})
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, true, ignore)
		if !errors.Is(err, kerr.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "grant READ") {
			t.Errorf("Read gave %v, want what to grant", err)
		}
	})
}

func TestReadNoticesATopicMadeAnewMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 2, "forms")
		f.writeMuch("forms", 2)
		first := true
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, true, func(changefeed.Position) error {
			if first {
				f.remake("forms")
				f.writeMuch("forms", 2) // so that its ends do not tell
			}
			first = false
			return nil
		})
		if !errors.Is(err, readback.ErrWentBack) {
			t.Errorf("Read gave %v, want that the topic went back", err)
		}
	})
}

func TestReadGoesOnWhereRetentionIsFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		n := f.writeMuch("forms", 1)
		var got []uint64
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, true, func(p changefeed.Position) error {
			if len(got) == 0 {
				if err := f.DeleteRecords("forms", 0, int64(n-10)); err != nil {
					t.Error(err)
				}
			}
			got = append(got, p.LSN)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if last := got[len(got)-10:]; len(got) == n || !slices.Equal(last, count(uint64(n-9), uint64(n))) {
			t.Errorf("%d of %d positions came, the last ones %v", len(got), n, last)
		}
	})
}

func TestReadEndsBehindTheMarkersOfTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.writer = f.client(append(writing, kgo.TransactionalID("other"))...)
		for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := f.writer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			f.write(f.own("forms", 0))
			if err := f.writer.EndTransaction(t.Context(), commit); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		_, ends := f.collect(nil, false, "forms")
		if diff := cmp.Diff(changefeed.Offsets{"forms": {4}}, ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestReadOfACompactedTopicGivesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1)
		compact, small := "compact", "1024"
		if err := f.CreateTopic("forms", 1, map[string]string{"cleanup.policy": compact, "segment.bytes": small}); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			f.write(f.own("forms", 0)) // all of one key
		}
		time.Sleep(time.Hour)
		f.Compact()
		got, ends := f.collect(nil, true, "forms")
		if diff := cmp.Diff(changefeed.Offsets{"forms": {50}}, ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if len(got) == 50 || got[len(got)-1] != 50 {
			t.Errorf("positions %v, want fewer than 50, the last among them", got)
		}
	})
}

func TestReadWaitsForPartitionsThatRepliesHaveNoRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 8, "forms") // two partitions a lane
		for n := range 8 * 10 {
			if partition := n / 10; partition%2 == 0 || n%10 == 0 {
				f.write(f.own("forms", partition))
			}
		}
		f.ControlKey(kmsg.Fetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			f.KeepControl()
			for _, t := range r.(*kmsg.FetchRequest).Topics {
				for i := range t.Partitions { // a batch of the first, nothing of the others
					t.Partitions[i].PartitionMaxBytes = 0
				}
			}
			return nil, nil, false
		})
		got, _ := f.collect(nil, true, "forms")
		slices.Sort(got)
		if diff := cmp.Diff(count(1, f.next-1), got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
	})
}

// answerEmpty answers requests with nothing, while there is an end to say.
func (f *topics) answerEmpty(end func() (int64, bool)) {
	f.ControlKey(kmsg.Fetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		watermark, ok := end()
		if !ok {
			return nil, nil, false
		}
		req := r.(*kmsg.FetchRequest)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, rt := range req.Topics {
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.HighWatermark = rp.Partition, watermark
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
}

func TestReadWaitsForALeaderWhoseLogIsYetToComeToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		requests := 0
		f.answerEmpty(func() (int64, bool) { requests++; return 0, requests < 20 })
		got, ends := f.collect(nil, true, "forms")
		if diff := cmp.Diff(changefeed.Offsets{"forms": {1}}, ends); diff != "" || len(got) != 1 {
			t.Errorf("positions %v, ends (-want +got):\n%s", got, diff)
		}
	})
}

func TestReadEndsWhereBrokersHaveNothingUpToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 2, "forms")
		f.write(f.own("forms", 0), f.own("forms", 1))
		requests := 0
		f.answerEmpty(func() (int64, bool) { requests++; return 1, true })
		got, ends := f.collect(nil, true, "forms")
		if diff := cmp.Diff(changefeed.Offsets{"forms": {1, 1}}, ends); diff != "" || len(got) > 0 {
			t.Errorf("positions %v, ends (-want +got):\n%s", got, diff)
		}
		if requests != 2*5 {
			t.Errorf("%d requests, want five for each of the two lanes", requests)
		}
	})
}
