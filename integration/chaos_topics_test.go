package integration_test

import (
	"context"
	_ "embed"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

// Silence of a broker for so long ends a test.
const brokerSilence = time.Minute

// topicReader yields all records that topics hold when it is made.
type topicReader struct {
	poll   func() kgo.Fetches
	left   int64 // records not read yet
	queue  []*kgo.Record
	change changefeed.Change
	record *kgo.Record
	err    error
}

func newTopicReader(t *testing.T, address string, topics ...string) *topicReader {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics(),
		kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &topicReader{poll: func() kgo.Fetches {
		ctx, cancel := context.WithTimeout(t.Context(), brokerSilence)
		defer cancel()
		return client.PollFetches(ctx)
	}}
	ends.Each(func(o kadm.ListedOffset) { r.left += o.Offset })
	return r
}

// Next reads the next record; Values, Err: see pgx.CopyFromSource.
func (r *topicReader) Next() bool {
	if r.err != nil || r.left == 0 {
		return false
	}
	for len(r.queue) == 0 {
		fetches := r.poll()
		if r.err = fetches.Err(); r.err != nil {
			return false
		}
		r.queue = fetches.Records()
	}
	r.record, r.queue = r.queue[0], r.queue[1:]
	r.left--
	r.change, r.err = changefeed.ParseRecord(r.record)
	return r.err == nil
}

// Values are those of a row of the table records.
func (r *topicReader) Values() ([]any, error) {
	c := &r.change
	document, err := strconv.ParseInt(c.Meta.DocumentID, 10, 64)
	return []any{
		r.record.Topic, r.record.Partition, r.record.Offset, c.XID, document, c.Meta.IsDeletion,
		int64(c.Position.Epoch), int64(c.Position.LSN), int64(c.Position.Ordinal),
	}, err
}

func (r *topicReader) Err() error { return r.err }

// copyTopics puts what the topics hold into the table records.
func (s *site) copyTopics(t *testing.T, address string, topics ...string) {
	t.Helper()
	columns := []string{"topic", "partition", "log_offset", "xid", "document", "deletion", "epoch", "lsn", "ordinal"}
	_, err := s.connect(t).CopyFrom(t.Context(), pgx.Identifier{"records"}, columns, newTopicReader(t, address, topics...))
	if err != nil {
		t.Fatalf("read topics: %v", err)
	}
}

//go:embed testdata/chaos/schema.sql
var chaosSchema string

//go:embed testdata/chaos/compare.sql
var chaosCompare string

//go:embed testdata/chaos/summary.sql
var chaosSummary string

// comparison is what topics hold against what was committed, in documents of
// transactions.
type comparison struct {
	Transactions int64 `json:"transactions"`
	Documents    int64 `json:"documents"`
	Records      int64 `json:"records"`
	Lost         int64 `json:"lost"`
	Duplicated   int64 `json:"duplicated"`
	OutOfOrder   int64 `json:"out_of_order"`
	Late         int64 `json:"late"`
	Wrong        int64 `json:"wrong"`
	Unstable     int64 `json:"unstable"`
}

// compare compares the topics with the audit.
func (s *site) compare(t *testing.T, address string) comparison {
	t.Helper()
	s.copyTopics(t, address, "orders", "events")
	s.exec(t, "SET work_mem = '64MB'; CREATE INDEX ON audit (topic, document) WHERE gone; ANALYZE audit;"+chaosCompare)
	rows, err := s.connect(t).Query(t.Context(), chaosSummary)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[comparison])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check fails the test unless the topics hold exactly what was committed.
func (c comparison) check(t *testing.T) {
	t.Helper()
	if c.Lost != 0 || c.Duplicated != 0 || c.OutOfOrder != 0 || c.Wrong != 0 || c.Unstable != 0 {
		t.Errorf("lost %d, duplicated %d, out of order %d, wrong %d, with unstable positions %d; want none", c.Lost, c.Duplicated, c.OutOfOrder, c.Wrong, c.Unstable)
	}
	if c.Records == 0 {
		t.Error("nothing was published: nothing was tested")
	}
}
