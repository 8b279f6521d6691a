package readback_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/internal/readback"
)

// topics is what a test reads from: kfake in the test's bubble, a client that
// writes to it, and what has been logged.
type topics struct {
	*kfake.Cluster
	t      *testing.T
	opts   []kgo.Opt
	writer *kgo.Client
	log    lockedBuffer
	next   uint64 // LSN of the next record of the source "main"
}

func newTopics(t *testing.T, brokers, partitions int, names ...string) *topics {
	t.Helper()
	var network kfake.VirtualNetwork
	ports := make([]int, brokers)
	for i := range ports {
		ports[i] = i + 1
	}
	cluster, err := kfake.NewCluster(kfake.Ports(ports...), kfake.SeedTopics(int32(partitions), names...), kfake.ListenFn(network.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	f := &topics{Cluster: cluster, t: t, next: 1}
	f.opts = []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(network.DialContext), kgo.DisableClientMetrics()}
	f.writer = f.client(writing...)
	return f
}

func (f *topics) client(opts ...kgo.Opt) *kgo.Client {
	f.t.Helper()
	c, err := kgo.NewClient(append(f.opts, opts...)...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

func (f *topics) tails(recent int) *readback.Tails {
	f.t.Helper()
	tails, err := readback.New(readback.Config{
		Open:   func(opts ...kgo.Opt) (*kgo.Client, error) { return kgo.NewClient(append(f.opts, opts...)...) },
		Log:    slog.New(slog.NewTextHandler(&f.log, nil)),
		Recent: recent,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return tails
}

// write waits until records are in the topic.
func (f *topics) write(records ...*kgo.Record) {
	f.t.Helper()
	if err := f.writer.ProduceSync(f.t.Context(), records...).FirstErr(); err != nil {
		f.t.Fatal(err)
	}
}

// own makes a record of the source "main", with the next position.
func (f *topics) own(topic string, partition int) *kgo.Record {
	p := changefeed.Position{Source: "main", Epoch: 1, LSN: f.next}
	f.next++
	return positioned(topic, partition, p.String())
}

// positioned makes a record with the text of a position.
func positioned(topic string, partition int, position string) *kgo.Record {
	return &kgo.Record{
		Topic: topic, Partition: int32(partition), Key: []byte("key"), Value: []byte("not looked at"),
		Headers: []kgo.RecordHeader{
			{Key: changefeed.HeaderPosition, Value: []byte(position)},
			{Key: changefeed.HeaderVersion, Value: []byte("1")},
		},
	}
}

// ends asks the brokers.
func (f *topics) ends(names ...string) changefeed.Offsets {
	f.t.Helper()
	listed, err := kadm.NewClient(f.writer).ListEndOffsets(f.t.Context(), names...)
	if err != nil {
		f.t.Fatal(err)
	}
	ends := changefeed.Offsets{}
	for _, name := range names {
		for n := range int32(len(listed[name])) {
			ends[name] = append(ends[name], listed[name][n].Offset)
		}
	}
	return ends
}

// collect reads and returns the LSNs in the order in which they came.
func (f *topics) collect(from changefeed.Offsets, settled bool, names ...string) (lsns []uint64, ends changefeed.Offsets) {
	f.t.Helper()
	ends, err := f.tails(0).Read(f.t.Context(), "main", names, from, settled, func(p changefeed.Position) error {
		if p.Source != "main" || p.Epoch != 1 {
			f.t.Errorf("got the position %v", p)
		}
		lsns = append(lsns, p.LSN)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return lsns, ends
}

func count(first, last uint64) (all []uint64) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// ignore takes positions that a test is not about.
func ignore(changefeed.Position) error { return nil }

// lockedBuffer holds what has been logged.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// writing are the options of what writes to partitions by number.
var writing = []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression())}
