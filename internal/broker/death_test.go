package broker_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/internal/broker"
)

func TestAcknowledgedRecordsAndOffsetsSurviveKill9(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	c := client(t, p.addr, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("readers"), kgo.DisableAutoCommit())
	createTopic(t, c, "orders", 4)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint(i))
	}
	produce(t, c, "orders", want...)
	consume(t, c, 50)
	if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close() // while there is a group to leave
	p.kill(t)

	p = startProcess(t, dir)
	c = client(t, p.addr, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("readers"), kgo.DisableAutoCommit())
	if diff := cmp.Diff(want[50:], consume(t, c, 150)); diff != "" {
		t.Errorf("values after the committed offset (-want +got):\n%s", diff)
	}
}

// The broker has last written down the sequence numbers at its stop before; the
// producer has gone on since.
func TestProducerLivesThroughKill9(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	c := client(t, b.Addr())
	createTopic(t, c, "orders", 1)
	producer := newProducer(t, c, "orders", 0)
	producer.send(t, c, 0, 1, 0)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, dir)
	producer.send(t, c, 1, 2, 0)
	p.kill(t)
	startProcess(t, dir)
	if offset := producer.send(t, c, 3, 1, 0); offset != 3 {
		t.Errorf("the next batch has the offset %d, want 3", offset)
	}
}

func TestBatchSentAgainAfterKill9IsStoredOnce(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	c := client(t, p.addr)
	createTopic(t, c, "orders", 2)
	producer := newProducer(t, c, "orders", 1)
	for i := range int32(7) { // more than a broker remembers
		producer.send(t, c, 2*i, 2, 0)
	}
	p.kill(t)
	p = startProcess(t, dir)
	c = client(t, p.addr)

	for i := int32(2); i < 7; i++ {
		if offset := producer.send(t, c, 2*i, 2, 0); offset != int64(2*i) {
			t.Errorf("batch %d, sent again: its offset is %d, was %d", i, offset, 2*i)
		}
	}
	if end := endOffset(t, c, "orders", 1); end != 14 {
		t.Errorf("the topic ends at %d, want 14: batches were stored again", end)
	}
	producer.send(t, c, 16, 1, kerr.OutOfOrderSequenceNumber.Code) // after a gap
	if offset := producer.send(t, c, 14, 2, 0); offset != 14 {
		t.Errorf("the next batch has the offset %d, want 14", offset)
	}
}

func TestHalfWrittenBatchIsCutOff(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	c := client(t, p.addr)
	createTopic(t, c, "orders", 1)
	producer := newProducer(t, c, "orders", 0)
	producer.send(t, c, 0, 1, 0)
	producer.send(t, c, 1, 1, 0)
	p.kill(t)
	segment := filepath.Join(dir, "broker", "partitions", "orders-0", "0.dat")
	info, err := os.Stat(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segment, info.Size()-1); err != nil {
		t.Fatal(err)
	}

	p = startProcess(t, dir)
	c = client(t, p.addr)
	if end := endOffset(t, c, "orders", 0); end != 1 {
		t.Errorf("the topic ends at %d, want 1", end)
	}
	if offset := producer.send(t, c, 1, 1, 0); offset != 1 {
		t.Errorf("the batch that was cut off has the offset %d when sent again, want 1", offset)
	}
}

func TestBrokerStartsAfterADeathBeforeItHadData(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broker.json"), []byte(`{"address":"","pid":1,"state":"starting"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := start(t, broker.Config{Dir: dir})
	if err := client(t, b.Addr()).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// producer sends batches with sequence numbers of its own choice.
type producer struct {
	id        int64
	epoch     int16
	topic     [16]byte
	partition int32
}

func newProducer(t *testing.T, c *kgo.Client, topic string, partition int32) *producer {
	t.Helper()
	topics, err := kadm.NewClient(c).ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &producer{id: resp.ProducerID, epoch: resp.ProducerEpoch, topic: topics[topic].ID, partition: partition}
}

// send sends a batch that begins with a sequence number, and returns its offset.
func (p *producer) send(t *testing.T, c *kgo.Client, sequence, records int32, wantCode int16) int64 {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.TopicID = p.topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = p.partition, p.batch(sequence, records)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := resp.Topics[0].Partitions[0]
	if got.ErrorCode != wantCode {
		t.Fatalf("batch of sequence %d: %v, want %v", sequence, kerr.ErrorForCode(got.ErrorCode), kerr.ErrorForCode(wantCode))
	}
	return got.BaseOffset
}

func (p *producer) batch(sequence, records int32) []byte {
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: records - 1, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: sequence, NumRecords: records,
	}
	for i := range records {
		r := kmsg.Record{OffsetDelta: i, Value: fmt.Appendf(nil, "record %d", sequence+i)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // itself one byte long
		b.Records = r.AppendTo(b.Records)
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func endOffset(t *testing.T, c *kgo.Client, topic string, partition int32) int64 {
	t.Helper()
	ends, err := kadm.NewClient(c).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok || end.Err != nil {
		t.Fatalf("no end offset of %s %d: %v", topic, partition, end.Err)
	}
	return end.Offset
}
