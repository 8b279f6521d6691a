package pillows

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ageTimeout bounds how long List waits for the ages of records.
const ageTimeout = 2 * time.Second

// addAges fills in the age of the next record of every partition, with one
// request to each broker for the first bytes of the batches they are in. What
// cannot be had is left out.
func addAges(ctx context.Context, client *kgo.Client, topics kadm.TopicDetails, list []PartitionStatus) {
	ctx, cancel := context.WithTimeout(ctx, ageTimeout)
	defer cancel()
	requests := make(map[int32]*kmsg.FetchRequest) // by leader
	at := make(map[partition]*PartitionStatus)
	for i := range list {
		s := &list[i]
		if s.Lag == 0 {
			s.LagSeconds = new(float64)
			continue
		}
		at[partition{s.Topic, s.Partition}] = s
		leader := topics[s.Topic].Partitions[s.Partition].Leader
		if requests[leader] == nil {
			requests[leader] = newHeadRequest()
		}
		addHead(requests[leader], topics[s.Topic], s)
	}
	names := make(map[[16]byte]string)
	for _, t := range topics {
		names[t.ID] = t.Topic
	}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for leader, req := range requests {
		asking.Go(func() {
			answer, err := client.Broker(int(leader)).RetriableRequest(ctx, req)
			if err != nil {
				return
			}
			resp, ok := answer.(*kmsg.FetchResponse)
			if !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, t := range resp.Topics {
				name := t.Topic
				if name == "" { // newer brokers answer by id
					name = names[t.TopicID]
				}
				for _, p := range t.Partitions {
					s, written := at[partition{name, p.Partition}], batchTime(p.RecordBatches)
					if s != nil && p.ErrorCode == 0 && !written.IsZero() {
						age := max(time.Since(written), 0).Seconds()
						s.LagSeconds = &age
					}
				}
			}
		})
	}
	asking.Wait()
}

// newHeadRequest returns a request that does not wait for records.
func newHeadRequest() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes = 1 << 20
	req.SessionEpoch = -1 // no session
	return req
}

// addHead asks for the batch that has the next record of a partition.
func addHead(req *kmsg.FetchRequest, topic kadm.TopicDetail, s *PartitionStatus) {
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic.Topic, topic.ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset = s.Partition, s.NextOffset
	p.PartitionMaxBytes = 1 << 10 // a batch is cut off there: its header comes first
	if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == t.Topic {
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, p)
		return
	}
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
}

// batchTime reads from the header of a record batch, format 2, when its first
// record was made, or, for topics that stamp records when they arrive, when the
// batch arrived. It returns the zero time where there is no such header.
func batchTime(batch []byte) time.Time {
	const (
		magic      = 16 // offsets in the header
		attributes = 21
		firstTime  = 27
		maxTime    = 35
		whole      = 43
		logAppend  = 1 << 3
	)
	if len(batch) < whole || batch[magic] != 2 {
		return time.Time{}
	}
	at := firstTime
	if binary.BigEndian.Uint16(batch[attributes:])&logAppend != 0 {
		at = maxTime
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(batch[at:])))
}
