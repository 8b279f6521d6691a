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

// addAges fills in the age of the next record of every partition. What cannot be
// had is left out.
func addAges(ctx context.Context, client *kgo.Client, topics kadm.TopicDetails, list []PartitionStatus) {
	ctx, cancel := context.WithTimeout(ctx, ageTimeout)
	defer cancel()
	var asking sync.WaitGroup
	for i := range list {
		s := &list[i]
		if s.Lag == 0 {
			s.LagSeconds = new(float64)
			continue
		}
		asking.Go(func() {
			if written := nextRecordTime(ctx, client, topics[s.Topic], s); !written.IsZero() {
				age := max(time.Since(written), 0).Seconds()
				s.LagSeconds = &age
			}
		})
	}
	asking.Wait()
}

// nextRecordTime asks the leader of a partition for the batch that has its next
// record, and returns the batch's time, or the zero time. A request is for one
// partition because brokers give more than they are asked for, which here is the
// least, only in the first partition of a request: there, one whole batch.
func nextRecordTime(ctx context.Context, client *kgo.Client, topic kadm.TopicDetail, s *PartitionStatus) time.Time {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = 1, -1 // no session; and no wait, by default
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic.Topic, topic.ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = s.Partition, s.NextOffset, 1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	leader := client.Broker(int(topic.Partitions[s.Partition].Leader))
	answer, err := leader.RetriableRequest(ctx, req)
	resp, ok := answer.(*kmsg.FetchResponse)
	if err != nil || !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return time.Time{}
	}
	return batchTime(resp.Topics[0].Partitions[0].RecordBatches)
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
