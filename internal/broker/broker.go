package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Settings of the broker that are not kfake's defaults.
const (
	// minSessionTimeout lets tests have members that are given up quickly.
	minSessionTimeout = time.Second
	// retentionInterval is how often old records are looked for.
	retentionInterval = time.Hour
)

// settings of kfake. Timeouts are for groups whose members leave them to the
// broker, as those of the newer group protocol do. The defaults are those of a
// large cluster: a dead member would keep its partitions for 45 s.
//
// Segments are small because a start holds one of every partition in memory, and
// not smaller because each one that is read takes a file descriptor.
var settings = map[string]string{
	"log.segment.bytes":                    strconv.Itoa(2 << 20),
	"group.consumer.session.timeout.ms":    "10000",
	"group.consumer.heartbeat.interval.ms": "3000",
}

// dataFolder is kfake's folder in the directory.
const dataFolder = "broker"

// Broker is one embedded broker.
type Broker struct {
	cfg   Config
	ran   atomic.Bool
	ready chan struct{}
	addr  string // set before ready is closed
}

// New returns a broker that Run starts.
func New(cfg Config) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Broker{cfg: cfg.withDefaults(), ready: make(chan struct{})}, nil
}

// Ready is closed when the broker takes connections. It is never closed where
// Run fails before that.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addr is the address that clients connect to, once Ready is closed, and empty
// before.
func (b *Broker) Addr() string {
	select {
	case <-b.ready:
		return b.addr
	default:
		return ""
	}
}

// Run starts the broker and serves until ctx ends. It then writes down what it
// holds in memory, and returns nil. It may be called once. Where another broker
// has the directory, the error wraps [ErrInUse].
func (b *Broker) Run(ctx context.Context) (err error) {
	if b.ran.Swap(true) {
		return errors.New("run embedded broker: it has run before: make a new one")
	}
	if err := os.MkdirAll(b.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make directory of the embedded broker: %w", err)
	}
	lock, err := acquire(ctx, b.cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close() // the last act: the directory is free
	cluster, n, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer cluster.Close() // a second one does nothing
	members := newSessions(cluster, b.cfg.Log)
	client, err := kgo.NewClient(kgo.SeedBrokers(n.Address), kgo.ClientID("changefeed-embedded"), kgo.DisableClientMetrics())
	if err != nil {
		return fmt.Errorf("start embedded broker: %w", err)
	}
	defer client.Close()
	b.expire(ctx, cluster, client)
	n.State = running
	if err := n.write(b.cfg.Dir); err != nil {
		return err
	}
	b.addr = n.Address
	b.cfg.Log.InfoContext(ctx, "embedded broker started", slog.String("address", n.Address), slog.String("directory", b.cfg.Dir))
	close(b.ready)

	var watch sync.WaitGroup
	watch.Go(func() { members.run(ctx, client) })
	b.serve(ctx, cluster, client)
	watch.Wait()
	cluster.Close()
	b.cfg.Log.InfoContext(ctx, "embedded broker stopped", slog.String("address", n.Address))
	n.State = stopped
	return n.write(b.cfg.Dir)
}

// open starts kfake on what is in the directory.
func (b *Broker) open(ctx context.Context) (*kfake.Cluster, notice, error) {
	n, err := readNotice(b.cfg.Dir)
	if err != nil {
		return nil, n, err
	}
	listener, err := b.listen(ctx, n.Address)
	if err != nil {
		return nil, n, err
	}
	died := n.State != stopped // also where nothing is noted: somebody may have removed the note
	n = notice{Address: listener.Addr().String(), PID: os.Getpid(), State: starting}
	data := filepath.Join(b.cfg.Dir, dataFolder)
	if err = n.write(b.cfg.Dir); err == nil && died {
		err = b.restore(ctx, data)
	}
	if err == nil {
		if err = keepEnds(data); err != nil {
			err = fmt.Errorf("restore the ends of partitions: %w", err)
		}
	}
	if err != nil {
		return nil, n, errors.Join(err, listener.Close())
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
		kfake.ClusterID("changefeed-embedded"),
		kfake.DataDir(data),
		kfake.WithLogger(logger{b.cfg.Log}),
		kfake.GroupMinSessionTimeout(minSessionTimeout),
		kfake.BrokerConfigs(settings),
	)
	if err != nil {
		return nil, n, fmt.Errorf("open data of the embedded broker in %s (move the directory away to start anew; its topics are lost then): %w", data, err)
	}
	return cluster, n, nil
}

// restore does what kfake leaves undone after a death.
func (b *Broker) restore(ctx context.Context, data string) error {
	start := time.Now()
	producers, err := restoreData(data)
	if err != nil {
		return fmt.Errorf("restore the embedded broker: %w", err)
	}
	if producers == 0 {
		return nil // as at the first start
	}
	b.cfg.Log.InfoContext(ctx, "embedded broker restored after a death of its process",
		slog.Int("producer_partitions", producers), slog.Duration("took", time.Since(start)))
	return nil
}

// serve deletes old records now and then until ctx ends.
func (b *Broker) serve(ctx context.Context, cluster *kfake.Cluster, client *kgo.Client) {
	again := time.NewTicker(retentionInterval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			b.expire(ctx, cluster, client)
		}
	}
}
