package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The limits of a start: a download may come first, and the machine may be busy.
const (
	downloadLimit = 5 * time.Minute
	startLimit    = 90 * time.Second
)

// Broker is a Kafka broker. Its methods are for the goroutine of the test.
type Broker struct {
	tb       testing.TB
	java     string
	jars     string // folder
	dir      string
	address  string
	running  *exec.Cmd // nil while it is down
	watchdog *exec.Cmd
	lifeline io.Closer // what the watchdog waits for the end of
}

// New starts a broker for one test, which removes it at its end and shows the end
// of its log if the test failed.
func New(tb testing.TB) *Broker {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), downloadLimit)
	defer cancel()
	b := &Broker{tb: tb, dir: tb.TempDir()}
	require(tb, b.prepare(ctx))
	tb.Cleanup(func() {
		b.Kill()
		if tb.Failed() {
			tb.Logf("the end of Kafka's log:\n%s", b.logTail())
		}
	})
	b.Start()
	return b
}

// require ends the test unless err is nil.
func require(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errUnavailable) && os.Getenv("CHANGEFEED_TEST_STRICT") != "1":
		tb.Skip(err)
	default:
		tb.Fatal(err)
	}
}

// prepare finds what is needed and makes the broker's directory.
func (b *Broker) prepare(ctx context.Context) (err error) {
	if b.java, err = exec.LookPath("java"); err != nil {
		return fmt.Errorf("find Java: %w: %w (install version 17 or later, for example with `apt-get install openjdk-17-jre-headless`)", errUnavailable, err)
	}
	if b.jars, err = fetchJars(ctx); err != nil {
		return err
	}
	port, controller, err := freePorts(ctx)
	if err != nil {
		return err
	}
	b.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	properties := strings.NewReplacer("{port}", strconv.Itoa(port), "{controller}", strconv.Itoa(controller), "{data}", filepath.Join(b.dir, "data")).Replace(serverProperties)
	if err := os.WriteFile(b.propertiesFile(), []byte(properties), 0o600); err != nil {
		return err
	}
	format := exec.CommandContext(ctx, b.java, b.arguments("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", b.propertiesFile())...)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka's directory: %w\n%s", err, out)
	}
	return nil
}

// freePorts returns two ports on which nobody listens now, below the range from
// which systems serve outgoing connections.
func freePorts(ctx context.Context) (int, int, error) {
	var listen net.ListenConfig
	var ports []int
	first := 20000 + os.Getpid()%9000
	for port := first; port < 32000; port++ {
		l, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer l.Close() // so that the next is another
		if ports = append(ports, port); len(ports) == 2 {
			return ports[0], ports[1], nil
		}
	}
	return 0, 0, fmt.Errorf("find two free ports on 127.0.0.1 from %d on", first)
}

// Address is where clients begin, as host:port.
func (b *Broker) Address() string { return b.address }

// Start starts the broker and returns when it takes requests. It does nothing to
// one that runs.
func (b *Broker) Start() {
	b.tb.Helper()
	if b.running != nil {
		return
	}
	log, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.tb.Fatal(err)
	}
	defer log.Close()
	// It is ended by Kill, which the end of the test calls.
	cmd := exec.CommandContext(context.WithoutCancel(b.tb.Context()), b.java, b.arguments("kafka.Kafka", b.propertiesFile())...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.tb.Fatalf("start Kafka: %v", err)
	}
	b.running = cmd
	b.watch()
	if err := b.await(); err != nil {
		b.tb.Fatal(err)
	}
}

// watch starts what kills the broker when this process has ended.
func (b *Broker) watch() {
	b.tb.Helper()
	b.watchdog = exec.CommandContext(context.WithoutCancel(b.tb.Context()), "sh", "-c", "read -r line || kill -9 "+strconv.Itoa(b.running.Process.Pid))
	lifeline, err := b.watchdog.StdinPipe()
	if err == nil {
		err = b.watchdog.Start()
	}
	if err != nil {
		b.tb.Fatalf("start Kafka's watchdog: %v", err)
	}
	b.lifeline = lifeline
}

// await waits until the broker says that it is part of the cluster: one that was
// killed answers before it is let in again.
func (b *Broker) await() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.tb.Context(), startLimit)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		brokers, err := kadm.NewClient(client).ListBrokers(ctx)
		if err == nil && len(brokers) == 1 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for Kafka: %w: %w", ctx.Err(), err)
		}
	}
}

// Stop asks the broker to end and waits until it has.
func (b *Broker) Stop() {
	b.tb.Helper()
	b.signal(syscall.SIGTERM)
	b.wait()
}

// Kill ends the broker as kill -9 does. It does nothing to one that is down.
func (b *Broker) Kill() {
	if b.running == nil {
		return
	}
	_ = b.running.Process.Kill() // it may have ended
	b.wait()
}

// Suspend stops the broker in the middle of what it does, with its connections
// open, until Resume.
func (b *Broker) Suspend() {
	b.tb.Helper()
	b.signal(syscall.SIGSTOP)
}

// Resume lets a suspended broker go on.
func (b *Broker) Resume() {
	b.tb.Helper()
	b.signal(syscall.SIGCONT)
}

func (b *Broker) signal(s os.Signal) {
	b.tb.Helper()
	if b.running == nil {
		b.tb.Fatalf("send Kafka %v: it is down", s)
	}
	if err := b.running.Process.Signal(s); err != nil {
		b.tb.Fatalf("send Kafka %v: %v", s, err)
	}
}

// wait waits for the end of the broker. The watchdog ends first, while the
// process id is still the broker's.
func (b *Broker) wait() {
	if b.watchdog != nil {
		_ = b.watchdog.Process.Kill()
		_ = b.watchdog.Wait()
		b.lifeline.Close()
		b.watchdog = nil
	}
	_ = b.running.Wait() // its exit code says how it was ended
	b.running = nil
}
