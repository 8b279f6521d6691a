package readback_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/internal/broker"
	"changefeed/internal/readback"
)

// BenchmarkRead reads 200,000 records of 600 bytes from the embedded broker in
// this process. Its floor is a consumer that discards them.
func BenchmarkRead(b *testing.B) {
	const records, partitions = 200_000, 8
	address := startBroker(b)
	open := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts, kgo.SeedBrokers(address), kgo.DisableClientMetrics())...)
	}
	fill(b, open, records, partitions)
	b.Run("tails", func(b *testing.B) {
		tails, err := readback.New(readback.Config{Open: open, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			n := 0
			if _, err := tails.Read(b.Context(), "main", []string{"forms"}, nil, true, func(changefeed.Position) error { n++; return nil }); err != nil || n != records {
				b.Fatalf("%d records, %v", n, err)
			}
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			c, err := open(kgo.ConsumeTopics("forms"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				b.Fatal(err)
			}
			for n := 0; n < records; {
				n += c.PollFetches(b.Context()).NumRecords()
			}
			c.Close()
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// startBroker runs an embedded broker and returns its address.
func startBroker(b *testing.B) string {
	b.Helper()
	embedded, err := broker.New(broker.Config{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- embedded.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	select {
	case <-embedded.Ready():
	case err := <-ended:
		b.Fatal(err)
	}
	return embedded.Addr()
}

func fill(b *testing.B, open func(...kgo.Opt) (*kgo.Client, error), records, partitions int) {
	b.Helper()
	c, err := open(append(changefeed.ProducerOptions(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).CreateTopic(b.Context(), int32(partitions), 1, nil, "forms"); err != nil {
		b.Fatal(err)
	}
	value := bytes.Repeat([]byte("x"), 520) // with key and headers about 600 bytes
	for i := range records {
		r := positioned("forms", i%partitions, changefeed.Position{Source: "main", Epoch: 1, LSN: uint64(i)}.String())
		r.Value = value
		c.Produce(b.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := c.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
