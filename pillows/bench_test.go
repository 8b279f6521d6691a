package pillows_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
)

// nothing is a processor that takes everything and does nothing.
type nothing struct{}

func (nothing) Name() string                                  { return "nothing" }
func (nothing) Process(context.Context, *pillows.Batch) error { return nil }

// everything is a store that has every document.
type everything struct{}

func (everything) GetMany(_ context.Context, _ docstore.Horizon, ids []string) ([]docstore.Result, error) {
	results := make([]docstore.Result, len(ids))
	for i, id := range ids {
		results[i].Document = docstore.Document{ID: id, Body: []byte(`{}`)}
	}
	return results, nil
}

// BenchmarkPillow reads a backlog of b.N stubs, from records in a broker in this
// process to committed offsets: decoding, collapsing, the bulk read, verdicts.
func BenchmarkPillow(b *testing.B) {
	for _, partitions := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) { benchmarkPillow(b, partitions) })
	}
}

func benchmarkPillow(b *testing.B, partitions int) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topic), kfake.DataDir(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	client := kgo.SeedBrokers(cluster.ListenAddrs()...)
	fill(b, client, b.N)

	var stores docstore.Registry
	if err := stores.Register(source, everything{}); err != nil {
		b.Fatal(err)
	}
	seen, done := 0, make(chan struct{})
	counted := make(chan int, 1024)
	go func() {
		for n := range counted {
			if seen += n; seen == b.N {
				close(done)
			}
		}
	}()
	p, err := pillows.New(config(), pillows.Deps{
		Client:  []kgo.Opt{client},
		Stores:  &stores,
		Log:     slog.New(slog.DiscardHandler),
		Observe: func(o pillows.Observation) { counted <- len(o.Changes) },
	}, nothing{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	go func() { ended <- p.Run(ctx) }()
	<-done
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "stubs/s")
	close(counted)
}

// fill publishes n stubs of as many documents.
func fill(b *testing.B, broker kgo.Opt, n int) {
	b.Helper()
	producer, err := kgo.NewClient(append(changefeed.ProducerOptions(), broker)...)
	if err != nil {
		b.Fatal(err)
	}
	defer producer.Close()
	now := time.Now()
	for i := range n {
		c := changefeed.Change{
			Topic: topic,
			Meta: changefeed.Meta{
				DocumentID: fmt.Sprintf("order-%08d", i), DataSourceType: changefeed.SourceTypeSQL, DataSourceName: source,
				DocumentType: changefeed.NewText("Order"), Domain: changefeed.NewText("tenant-1"), PublishTimestamp: now, OriginalPublication: now,
			},
			Position: changefeed.Position{Source: source, Epoch: 1, LSN: uint64(i + 1)},
			Version:  changefeed.Version(1<<52 | (i + 1)),
			XID:      uint64(i + 1),
		}
		producer.Produce(b.Context(), changefeed.NewRecord(&c), nil)
	}
	if err := producer.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
