package pillows_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/docstore"
	"changefeed/pillows"
)

const (
	topic  = "orders"
	group  = "orders-report"
	source = "main"
)

// world is a broker, a source with its document store, and what is logged: all
// that a pillow has around it, inside one synctest bubble.
type world struct {
	t        *testing.T
	network  kfake.VirtualNetwork
	cluster  *kfake.Cluster
	store    *docstore.Memory
	log      *logBuffer
	producer *kgo.Client
	lsn      uint64
}

// inWorld runs a test in a bubble with a world of its own.
func inWorld(t *testing.T, partitions int32, test func(t *testing.T, w *world), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: new(docstore.Memory), log: new(logBuffer)}
		all := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.network.Listen)}
		if partitions > 0 {
			all = append(all, kfake.SeedTopics(partitions, topic))
		}
		cluster, err := kfake.NewCluster(append(all, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		w.cluster = cluster
		w.producer = w.client(changefeed.ProducerOptions()...)
		test(t, w)
		if t.Failed() {
			t.Logf("log:\n%s", w.log)
		}
	})
}

func (w *world) options() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.network.DialContext)}
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(append(w.options(), opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// stub returns the next change of a document in the source's log.
func (w *world) stub(id string, deletion bool) changefeed.Change {
	w.lsn++
	now := time.Now().UTC()
	return changefeed.Change{
		Topic: topic,
		Meta: changefeed.Meta{
			DocumentID: id, DataSourceType: changefeed.SourceTypeSQL, DataSourceName: source,
			IsDeletion: deletion, PublishTimestamp: now, OriginalPublication: now,
		},
		Position: changefeed.Position{Source: source, Epoch: 1, LSN: w.lsn},
		Version:  changefeed.Version(1<<52 | w.lsn),
		XID:      w.lsn,
	}
}

// save stores the current document of each id and publishes its change.
func (w *world) save(ids ...string) {
	w.t.Helper()
	changes := make([]changefeed.Change, len(ids))
	for i, id := range ids {
		changes[i] = w.stub(id, false)
		w.store.Put(docstore.Document{ID: id, Body: fmt.Appendf(nil, `{"lsn": %d}`, w.lsn)})
	}
	w.publish(changes...)
}

// publish writes changes to the topic, in order.
func (w *world) publish(changes ...changefeed.Change) {
	w.t.Helper()
	records := make([]*kgo.Record, len(changes))
	for i := range changes {
		records[i] = changefeed.NewRecord(&changes[i])
	}
	w.produce(records...)
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	for _, r := range records {
		r.Topic = topic
	}
	if err := w.producer.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// run is a pillow that runs.
type run struct {
	*pillows.Pillow
	t      *testing.T
	cancel context.CancelFunc
	err    chan error
	seen   *observations
}

// start runs a pillow until the test ends or stop is called.
func (w *world) start(c pillows.Config, processors ...pillows.Processor) *run {
	w.t.Helper()
	return w.startWith(c, w.deps(), processors...)
}

func (w *world) deps() pillows.Deps {
	var stores docstore.Registry
	if err := stores.Register(source, w.store); err != nil {
		w.t.Fatal(err)
	}
	return pillows.Deps{Client: w.options(), Stores: &stores, Log: slog.New(slog.NewTextHandler(w.log, nil))}
}

func (w *world) startWith(c pillows.Config, d pillows.Deps, processors ...pillows.Processor) *run {
	w.t.Helper()
	r := &run{t: w.t, err: make(chan error, 1), seen: new(observations)}
	also := d.Observe
	d.Observe = func(o pillows.Observation) {
		r.seen.add(o)
		if also != nil {
			also(o)
		}
	}
	var err error
	if r.Pillow, err = pillows.New(c, d, processors...); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	r.cancel = cancel
	go func() { r.err <- r.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if r.err != nil {
			if err := <-r.err; err != nil {
				w.t.Logf("Run: %v", err) // a test that cares calls stop
			}
		}
	})
	return r
}

// stop ends the run and returns its error.
func (r *run) stop() error {
	r.t.Helper()
	r.cancel()
	err := <-r.err
	r.err = nil
	return err
}

func config() pillows.Config { return pillows.Config{Name: group, Topics: []string{topic}} }

// committed adds up what is committed for the topic: the offsets and the
// progress in their metadata.
func (w *world) committed() (offsets int64, total pillows.Progress) {
	w.t.Helper()
	info := w.cluster.GroupInfo(group)
	if info == nil {
		return 0, total
	}
	for _, commit := range info.Commits[topic] {
		p, err := pillows.ParseProgress(commit.Metadata)
		if err != nil {
			w.t.Fatal(err)
		}
		offsets += commit.Offset
		total.Changes += p.Changes
		total.Applied += p.Applied
		total.Superseded += p.Superseded
		total.Filtered += p.Filtered
		total.Parked += p.Parked
		if p.State != pillows.Running || total.State == "" {
			total.State, total.Reason = p.State, p.Reason
		}
	}
	return offsets, total
}

// untilCommitted waits until n offsets of the topic are committed in all.
func (w *world) untilCommitted(n int64) pillows.Progress {
	w.t.Helper()
	var total pillows.Progress
	w.until(fmt.Sprintf("%d offsets are committed", n), func() bool {
		var offsets int64
		offsets, total = w.committed()
		return offsets >= n
	})
	return total
}

// until waits, in the bubble's time, until a condition holds.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for range 3000 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("5 minutes have passed and it is not so that %s\nlog:\n%s", what, w.log)
}

func ids(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf("order-%05d", i)
	}
	return s
}

// setOffset sets the group's offset as an operator's tool would.
func (w *world) setOffset(number int32, at int64) {
	w.t.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, number, at, -1)
	if err := kadm.NewClient(w.producer).CommitAllOffsets(w.t.Context(), group, offsets); err != nil {
		w.t.Fatal(err)
	}
}

func partitionOf(id string, partitions int) int {
	return changefeed.Partition([]byte(id), partitions)
}

// idIn returns a document id whose changes are in a partition.
func idIn(partition, partitions int) string {
	for i := 0; ; i++ {
		id := fmt.Sprintf("in-%d-%d", partition, i)
		if changefeed.Partition([]byte(id), partitions) == partition {
			return id
		}
	}
}
