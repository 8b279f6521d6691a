package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"changefeed"
	"changefeed/internal/broker"
)

// broker runs the embedded broker until it is asked to end.
func (w *worker) broker(ctx context.Context) error {
	b, err := broker.New(broker.Config{Dir: w.Dir, Log: w.log})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.Run(ctx) })
	group.Go(func() error {
		select {
		case <-b.Ready():
			return w.out.Encode(outcome{Address: b.Addr()})
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// producer is the Kafka client as the publisher has it.
func (w *worker) producer(options ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(slices.Concat(changefeed.ProducerOptions(),
		[]kgo.Opt{kgo.SeedBrokers(w.Broker), kgo.DisableClientMetrics()}, options)...)
	if err != nil {
		return nil, fmt.Errorf("make broker client: %w", err)
	}
	return client, nil
}

// stubs is how many different stubs are made before they are produced.
const stubs = 4096

// produce sends as many stubs as the backlog makes.
func (w *worker) produce(ctx context.Context) error {
	client, err := w.producer()
	if err != nil {
		return err
	}
	defer client.Close()
	made := make([]*kgo.Record, stubs)
	for i := range made {
		made[i] = stub(i, w.Source)
	}
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("reach broker: %w", err)
	}
	w.begun = time.Now()
	var failure failure
	for i := range w.Documents {
		from := made[i%stubs]
		client.Produce(ctx, &kgo.Record{Topic: from.Topic, Key: from.Key, Value: from.Value, Headers: from.Headers}, failure.promise)
	}
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("produce stubs: %w", err)
	}
	if failure.err != nil {
		return fmt.Errorf("produce stubs: %w", failure.err)
	}
	return w.done(nil)
}

// failure keeps the first failure of a producer.
type failure struct {
	once sync.Once
	err  error
}

func (f *failure) promise(_ *kgo.Record, err error) {
	if err != nil {
		f.once.Do(func() { f.err = err })
	}
}

// stub is a record as the publisher makes them of the workloads' rows.
func stub(i int, source string) *kgo.Record {
	now := time.Now().UTC()
	return changefeed.NewRecord(&changefeed.Change{
		Topic:    topic,
		Position: changefeed.Position{Source: source, Epoch: 1, LSN: uint64(0x10000000 + i), Ordinal: uint64(i)},
		Version:  changefeed.Version(1<<52 | i),
		XID:      uint64(i + 1000),
		Meta: changefeed.Meta{
			DocumentID:          fmt.Sprintf("%08x-7d2e-4cc3-98c4-%012x", i*2654435761%(1<<32), i),
			DataSourceType:      changefeed.SourceTypeSQL,
			DataSourceName:      source + "/public.documents",
			DocumentType:        changefeed.NewText("Document"),
			DocumentSubtype:     changefeed.NewText("kind-" + strconv.Itoa(i%7)),
			Domain:              changefeed.NewText("tenant-" + strconv.Itoa(i%100)),
			PublishTimestamp:    now,
			OriginalPublication: now,
		},
	})
}
