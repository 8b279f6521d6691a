package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/internal/broker"
)

func TestRecordsAreConsumedAsProduced(t *testing.T) {
	b, stop := start(t, broker.Config{Dir: t.TempDir()})
	c := client(t, b.Addr(), kgo.ConsumeTopics("orders"))
	createTopic(t, c, "orders", 4)
	produce(t, c, "orders", "a", "b", "c")
	if diff := cmp.Diff([]string{"a", "b", "c"}, consume(t, c, 3)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTopicsAreNotMadeByProducing(t *testing.T) {
	b, _ := start(t, broker.Config{Dir: t.TempDir()})
	c := client(t, b.Addr(), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "misspelt", Value: []byte("v")}).FirstErr(); err == nil {
		t.Error("a record for a topic that does not exist was taken")
	}
}

func TestTopicsRecordsAndOffsetsSurviveAStop(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	first := b.Addr()
	c := client(t, first, kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("readers"), kgo.DisableAutoCommit())
	createTopic(t, c, "orders", 3)
	produce(t, c, "orders", "a", "b", "c")
	consume(t, c, 2)
	if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	b, _ = start(t, broker.Config{Dir: dir})
	if b.Addr() != first {
		t.Errorf("the address is %s, was %s", b.Addr(), first)
	}
	c = client(t, b.Addr(), kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("readers"), kgo.DisableAutoCommit())
	topics, err := kadm.NewClient(c).ListTopics(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(topics["orders"].Partitions); n != 3 {
		t.Errorf("the topic has %d partitions, want 3", n)
	}
	produce(t, c, "orders", "d")
	if diff := cmp.Diff([]string{"c", "d"}, consume(t, c, 2)); diff != "" {
		t.Errorf("values after the committed offset (-want +got):\n%s", diff)
	}
}

func TestProducerLivesThroughAStopOfTheBroker(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	c := client(t, b.Addr(), kgo.ConsumeTopics("orders"))
	createTopic(t, c, "orders", 1)
	produce(t, c, "orders", "a")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	start(t, broker.Config{Dir: dir})
	produce(t, c, "orders", "b")
	if diff := cmp.Diff([]string{"a", "b"}, consume(t, c, 2)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestSecondBrokerInADirectoryIsRefusedAndNamesTheFirst(t *testing.T) {
	dir := t.TempDir()
	first := startProcess(t, dir)
	b, err := broker.New(broker.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Run(t.Context())
	if !errors.Is(err, broker.ErrInUse) {
		t.Fatalf("Run returned %v, want ErrInUse", err)
	}
	for _, part := range []string{dir, "process " + strconv.Itoa(first.cmd.Process.Pid), first.addr} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %s: %v", part, err)
		}
	}
	if b.Addr() != "" {
		t.Errorf("the refused broker has the address %s", b.Addr())
	}
}

func TestFindKnowsWhetherABrokerRuns(t *testing.T) {
	dir := t.TempDir()
	find := func(when, want string) {
		t.Helper()
		addr, err := broker.Find(dir)
		switch {
		case want == "" && !errors.Is(err, broker.ErrNotRunning):
			t.Errorf("%s: Find returned %q, %v; want ErrNotRunning", when, addr, err)
		case want == "" && !strings.Contains(err.Error(), "changefeed broker"):
			t.Errorf("%s: the error does not say how to start one: %v", when, err)
		case want != "" && (err != nil || addr != want):
			t.Errorf("%s: Find returned %q, %v; want %q", when, addr, err, want)
		}
	}
	find("before the first start", "")
	p := startProcess(t, dir)
	find("while another process runs one", p.addr)
	p.kill(t)
	find("after its death", "")
	b, stop := start(t, broker.Config{Dir: dir})
	find("while this process runs one", b.Addr())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	find("after a stop", "")
}

func TestBrokerTakesAnotherPortWhereItsOwnIsTaken(t *testing.T) {
	dir := t.TempDir()
	b, stop := start(t, broker.Config{Dir: dir})
	first := b.Addr()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	occupant, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer occupant.Close()
	var log strings.Builder
	b, stop = start(t, broker.Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if b.Addr() == first {
		t.Errorf("the broker listens on the port of somebody else, %s", first)
	}
	if err := client(t, b.Addr()).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), first) {
		t.Errorf("nothing is said about the port that was taken:\n%s", log.String())
	}
}

func TestPortThatWasAskedForIsNotReplaced(t *testing.T) {
	occupant, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupant.Close()
	b, err := broker.New(broker.Config{Dir: t.TempDir(), Listen: occupant.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("Run returned %v, want a refusal that says what to do", err)
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := t.TempDir() + "/data"
	start(t, broker.Config{Dir: dir})
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the directory has mode %o, want 700", mode)
	}
}

func TestBrokerRunsOnce(t *testing.T) {
	b, stop := start(t, broker.Config{Dir: t.TempDir()})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(context.Background()); err == nil {
		t.Error("a second Run was taken")
	}
}

func TestConfigIsValidated(t *testing.T) {
	tests := []struct{ listen, fault string }{
		{"", ""},
		{"127.0.0.1:9092", ""},
		{"db.example:9092", ""},
		{"[::1]:0", ""},
		{"9092", "want host:port"},
		{"localhost:http", "must be a number"},
		{"localhost:70000", "must be a number"},
		{":9092", "one address of this machine"},
		{"0.0.0.0:9092", "one address of this machine"},
		{"[::]:9092", "one address of this machine"},
	}
	for _, tt := range tests {
		_, err := broker.New(broker.Config{Dir: "d", Listen: tt.listen, Log: slog.New(slog.DiscardHandler)})
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("listen %q: %v, want %q", tt.listen, err, tt.fault)
		}
	}
	_, err := broker.New(broker.Config{})
	if err == nil || !strings.Contains(err.Error(), "data_dir") || !strings.Contains(err.Error(), "logger") {
		t.Errorf("an empty configuration: %v, want both faults", err)
	}
}
