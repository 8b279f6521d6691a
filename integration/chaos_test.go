package integration_test

import (
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"changefeed/internal/broker"
	"changefeed/internal/kafkatest"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

var (
	chaosDuration = flag.Duration("chaos.duration", 12*time.Second, "how long writers write and processes are killed")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "what is done, and when; 0: another each time")
)

const chaosConfiguration = `
postgres:
  - name: shop
    dsn: ${PG_DSN}
    tables:
      - table: orders
        topic: orders
        document_id: [id]
        document_type: Order
        domain: {column: tenant}
        deleted: {column: deleted_on, is: not null}
      - {table: order_lines, parent: orders, document_id: [order_id]}
      - {table: events, topic: events, document_id: [id], document_type: Event, operations: [insert]}
`

// chaosBroker is a broker that can be taken away.
type chaosBroker interface {
	Address() string
	Start()
	Stop() // as a person does
	Kill() // as kill -9 does
}

// embeddedBroker is the program's own, in a process.
type embeddedBroker struct {
	t       *testing.T
	site    *site
	process *process
}

func (b *embeddedBroker) Address() string {
	b.t.Helper()
	address, err := broker.Find(filepath.Join(b.site.dir, "changefeed-data"))
	if err != nil {
		b.t.Fatal(err)
	}
	return address
}

func (b *embeddedBroker) Start() {
	b.t.Helper()
	b.process = b.site.start(b.t, "broker")
	b.process.waitFor(b.t, "embedded broker started")
}

func (b *embeddedBroker) Stop() {
	b.t.Helper()
	b.process.stop(b.t)
}

func (b *embeddedBroker) Kill() { b.process.kill() }

func TestTopicsEqualTheAuditAfterChaos(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	s := newSite(t, server, chaosConfiguration)
	b := &embeddedBroker{t: t, site: s}
	b.Start()
	newChaos(t, s, b, "embedded").run()
}

func TestTopicsOfKafkaEqualTheAuditAfterChaos(t *testing.T) {
	b := kafkatest.New(t)
	server := localpgtest.New(t, localpg.Config{})
	s := newSite(t, server, chaosConfiguration+"kafka:\n  brokers: ["+b.Address()+"]\n")
	newChaos(t, s, b, "kafka").run()
}

// chaos kills processes under load.
type chaos struct {
	*testing.T
	site       *site
	broker     chaosBroker
	name       string // the broker's
	rand       *rand.Rand
	seed       uint64
	publishers []*process // one holds the slot, the others stand by
	done       atomic.Int64

	kills, brokerStops, serverCrashes int
}

// chaosReport is what is printed at the end.
type chaosReport struct {
	Broker   string  `json:"broker"`
	Postgres string  `json:"postgres"`
	Seed     uint64  `json:"seed"`
	Seconds  float64 `json:"seconds"`
	comparison
	Kills         int     `json:"kills"`
	BrokerStops   int     `json:"broker_stops"`
	ServerCrashes int     `json:"server_crashes"`
	CatchUp       float64 `json:"catch_up_s"`
}

func newChaos(t *testing.T, s *site, b chaosBroker, name string) *chaos {
	t.Helper()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with -chaos.seed=%d", seed)
	return &chaos{T: t, site: s, broker: b, name: name, seed: seed, rand: rand.New(rand.NewPCG(seed, 0))}
}

// writers is how many connections write.
const writers = 8

// run lets writers and faults loose, waits until what was committed has been
// published, and compares.
func (c *chaos) run() {
	c.Helper()
	c.site.exec(c.T, chaosSchema)
	c.site.must(c.T, "init")
	for range 2 {
		c.startPublisher()
	}
	ctx, stop := context.WithCancel(c.Context())
	var writing sync.WaitGroup
	defer writing.Wait()
	defer stop()
	for n := range uint64(writers) {
		w := newWriter(c.site.server.DSN(c.site.database), c.seed, n+1, &c.done)
		writing.Go(func() { w.run(ctx, c.T) })
	}
	start := time.Now()
	c.faults(start)
	stop()
	writing.Wait()
	quiet := time.Now()
	c.site.awaitPublished(c.T, time.Minute+2**chaosDuration)
	report := chaosReport{
		Broker: c.name, Postgres: c.site.server.Version().String(), Seed: c.seed, Seconds: quiet.Sub(start).Seconds(),
		Kills: c.kills, BrokerStops: c.brokerStops, ServerCrashes: c.serverCrashes, CatchUp: time.Since(quiet).Seconds(),
	}
	for _, p := range c.publishers {
		p.stop(c.T)
	}
	report.comparison = c.site.compare(c.T, c.broker.Address())
	line, err := json.Marshal(report)
	if err != nil {
		c.Fatal(err)
	}
	c.Logf("chaos %s", line)
	report.check(c.T)
}

// fault is something that is done at a time, from the start.
type fault struct {
	at time.Duration
	do func()
}

// faults kills publishers all the time, stops the broker twice and crashes the
// server once.
func (c *chaos) faults(start time.Time) {
	c.Helper()
	whole := *chaosDuration
	// The broker is down for longer than the publisher needs to write a status,
	// and so to confirm what it should not. What it holds then dies with it.
	const away = 1500 * time.Millisecond
	plan := []fault{
		{whole * 20 / 100, c.killBroker},
		{whole*20/100 + away, c.killHolder},
		{whole*20/100 + away, c.broker.Start},
		{whole * 45 / 100, c.crashServer},
		{whole * 65 / 100, c.stopBroker},
		{whole*65/100 + away, c.killHolder},
		{whole*65/100 + away, c.broker.Start},
	}
	for at := time.Duration(0); ; {
		at += 500*time.Millisecond + time.Duration(c.rand.Int64N(int64(2500*time.Millisecond)))
		if at >= whole {
			break
		}
		plan = append(plan, fault{at, c.killOne})
	}
	slices.SortStableFunc(plan, func(a, b fault) int { return int(a.at - b.at) })
	for _, f := range append(plan, fault{whole, func() {}}) {
		select {
		case <-time.After(time.Until(start.Add(f.at))):
			f.do()
		case <-c.Context().Done():
			c.Fatal("interrupted")
		}
	}
}

func (c *chaos) startPublisher() {
	c.Helper()
	c.publishers = append(c.publishers, c.site.start(c.T, "publish"))
}

// killOne kills the publisher that holds the slot, and now and then the other.
func (c *chaos) killOne() {
	c.Helper()
	if c.rand.IntN(4) == 0 {
		c.killPublisher(len(c.publishers) - 1)
		return
	}
	c.killHolder()
}

// killHolder kills the publisher that was started first, which mostly holds the
// slot.
func (c *chaos) killHolder() {
	c.Helper()
	c.killPublisher(0)
}

func (c *chaos) killPublisher(i int) {
	c.Helper()
	p := c.publishers[i]
	select {
	case <-p.done:
		c.Errorf("a publisher has ended by itself, exit %d:\n%s", p.cmd.ProcessState.ExitCode(), p.logs)
	default:
	}
	p.kill()
	c.kills++
	c.publishers = slices.Delete(c.publishers, i, i+1)
	c.startPublisher()
}

func (c *chaos) killBroker() {
	c.broker.Kill()
	c.brokerStops++
}

func (c *chaos) stopBroker() {
	c.Helper()
	c.broker.Stop()
	c.brokerStops++
}

func (c *chaos) crashServer() {
	c.Helper()
	if err := c.site.server.Restart(c.Context(), localpg.Immediate); err != nil {
		c.Fatal(err)
	}
	c.serverCrashes++
}
