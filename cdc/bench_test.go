package cdc

import (
	"context"
	"fmt"
	"testing"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// discardSink acknowledges everything and keeps nothing.
type discardSink struct{ acked changefeed.Acked }

func (s *discardSink) Publish(_ context.Context, seq uint64, _ []changefeed.Change) error {
	s.acked(seq, nil)
	return nil
}

// BenchmarkAssemble takes transactions from the bytes of their messages to the
// changes that a sink gets, without connection and sink.
func BenchmarkAssemble(b *testing.B) {
	for _, bench := range []struct {
		name string
		rows int
		row  func(i int) pgoutput.Message
	}{
		{"inserts of one row", 1, func(int) pgoutput.Message { return insert(ordersID, benchID(0), "acme", "1", null) }},
		{"inserts of 1000 rows", 1000, func(i int) pgoutput.Message { return insert(ordersID, benchID(i), "acme", "1", null) }},
		{"inserts of 100000 rows in pieces", 100_000, func(i int) pgoutput.Message { return insert(ordersID, benchID(i), "acme", "1", null) }},
		{"1000 updates of 10 documents", 1000, func(i int) pgoutput.Message {
			return update(ordersID, nil, row(benchID(i%10), "acme", "1", null))
		}},
		{"orders with 9 lines each", 1000, func(i int) pgoutput.Message {
			if i%10 == 0 {
				return insert(ordersID, benchID(i/10), "acme", "1", null)
			}
			return insert(linesID, fmt.Sprint(i), benchID(i/10))
		}},
		{"insert-only", 1000, func(i int) pgoutput.Message { return insert(auditID, benchID(i), "x") }},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkAssemble(b, bench.rows, bench.row) })
	}
}

func benchID(i int) string { return fmt.Sprintf("0190b5c4-7d2e-7cc3-98c4-%012d", i) }

func benchmarkAssemble(b *testing.B, rows int, row func(int) pgoutput.Message) {
	p := newPipeline(b, testConfig(), &fakeParents{})
	p.out.sink = &discardSink{acked: func(floor uint64, _ error) { p.out.window.acknowledge(floor) }}
	if err := p.take(announcements()...); err != nil {
		b.Fatal(err)
	}
	var messages [][]byte
	bytes := 0
	add := func(m pgoutput.Message) {
		messages = append(messages, pgoutputtest.Append(nil, &m))
		bytes += len(messages[len(messages)-1])
	}
	add(pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: 1000, XID: 1}})
	for i := range rows {
		add(row(i))
	}
	add(pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: 1000, EndLSN: 1040}})

	done := make(chan error, 1)
	go func() { done <- p.out.run(context.Background()) }()
	var decoded pgoutput.Message
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		for _, message := range messages {
			if err := decoded.Decode(message); err != nil {
				b.Fatal(err)
			}
			if err := p.handle(context.Background(), &decoded); err != nil {
				b.Fatal(err)
			}
		}
	}
	p.queue.close()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
