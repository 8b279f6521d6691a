package readback_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed"
)

func TestReadWaitsForWhatIsStillOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 2, 4, "forms")
		f.write(f.own("forms", 0))
		begun := time.Now()
		arrived := make(chan struct{})
		go func() { // each arrives after a look has found the one before
			defer close(arrived)
			for n := range 4 {
				time.Sleep(95 * time.Millisecond)
				f.write(f.own("forms", n))
			}
		}()
		got, ends := f.collect(nil, false, "forms")
		took := time.Since(begun)
		<-arrived
		if diff := cmp.Diff(count(1, 5), got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(f.ends("forms"), ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if took < 400*time.Millisecond || took > time.Second {
			t.Errorf("it took %v, want until nothing has come for two pauses", took)
		}
	})
}

func TestReadDoesNotWaitForOtherSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					f.write(positioned("forms", 0, "other/1/0000000000000001/0"))
				}
			}
		}()
		begun := time.Now()
		got, _ := f.collect(nil, false, "forms")
		if took := time.Since(begun); len(got) != 1 || took > time.Second {
			t.Errorf("it took %v and gave %v, want the one position, soon", took, got)
		}
		close(stop)
		<-stopped
	})
}

func TestSettledReadDoesNotLookTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		begun := time.Now()
		f.collect(nil, true, "forms")
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v, want no pause", took)
		}
	})
}

// answerReplicas answers requests that ask as a replica how far logs go.
func (f *topics) answerReplicas(answer func(*kmsg.ListOffsetsResponseTopicPartition)) {
	f.ControlKey(kmsg.ListOffsets.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		req := r.(*kmsg.ListOffsetsRequest)
		if req.ReplicaID == -1 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, rt := range req.Topics {
			t := kmsg.NewListOffsetsResponseTopic()
			t.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				p := kmsg.NewListOffsetsResponseTopicPartition()
				p.Partition = rp.Partition
				answer(&p)
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
}

func TestReadWaitsForWhatReplicasHaveYetToGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		f.answerReplicas(func(p *kmsg.ListOffsetsResponseTopicPartition) { p.Offset = 2 })
		arrived := make(chan struct{})
		go func() {
			defer close(arrived)
			time.Sleep(10 * time.Second)
			f.write(f.own("forms", 0))
		}()
		got, ends := f.collect(nil, false, "forms")
		<-arrived
		if diff := cmp.Diff([]uint64{1, 2}, got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(changefeed.Offsets{"forms": {2}}, ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if said := strings.Count(f.log.String(), "replicas"); said != 1 {
			t.Errorf("it was said %d times that replicas are waited for, want once: %s", said, f.log.String())
		}
	})
}

func TestReadDoesWithoutBrokersThatTellHowFarLogsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		f.answerReplicas(func(p *kmsg.ListOffsetsResponseTopicPartition) { p.ErrorCode = kerr.InvalidRequest.Code })
		got, _ := f.collect(nil, false, "forms")
		if diff := cmp.Diff([]uint64{1}, got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if !strings.Contains(f.log.String(), kerr.InvalidRequest.Message) {
			t.Errorf("the refusal was not said: %q", f.log.String())
		}
	})
}
