package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"
)

// The kinds of job.
const (
	jobRead    = "read"
	jobGather  = "gather"
	jobProduce = "produce"
	jobPublish = "publish"
	jobRelay   = "relay"
	jobBroker  = "broker"
)

// job is what a worker is told.
type job struct {
	Kind         string `json:"kind"`
	Workload     string `json:"workload"`
	DSN          string `json:"dsn"` // with its password: never in arguments or the environment
	Source       string `json:"source"`
	Slot         string `json:"slot"`
	Publications string `json:"publications"` // as START_REPLICATION takes them
	Broker       string `json:"broker"`       // its address
	Dir          string `json:"dir"`          // of the broker
	// Transactions and Documents are what the worker waits for. 0: it works until
	// it is asked to end.
	Transactions int `json:"transactions"`
	Documents    int `json:"documents"`
	// Times makes the worker note when each record was acknowledged.
	Times bool `json:"times"`
	// Profile is the path of the profiles, without their extension.
	Profile string `json:"profile"`
}

// outcome is what a worker answers. A broker answers as soon as it is ready, with
// its address; a worker that works until it is asked to end, for the first time
// when it streams.
type outcome struct {
	Address     string        `json:"address,omitempty"`
	Streams     bool          `json:"streams,omitempty"`
	Elapsed     time.Duration `json:"elapsed"`
	CPU         time.Duration `json:"cpu"`
	Allocations uint64        `json:"allocations"`
	PeakRSS     int64         `json:"peak_rss"` // bytes
	Times       []acked       `json:"times,omitempty"`
}

// acked says when a document's record was acknowledged.
type acked struct {
	ID string `json:"id"`
	At int64  `json:"at"` // nanoseconds since 1970
}

// Work does one job: it is all that a worker's process does.
func Work(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the job of a worker, which \"changefeed bench publish\" gives it: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("read the job of a worker: %w", err)
	}
	asked, end := context.WithCancel(ctx)
	defer end()
	go func() {
		_, _ = io.Copy(io.Discard, lines) // it ends with the process at the latest
		end()
	}()
	w := &worker{job: j, begun: time.Now(), out: json.NewEncoder(out), log: log}
	stop, err := profile(j.Profile)
	if err != nil {
		return err
	}
	err = w.work(asked)
	return errors.Join(err, stop())
}

// worker is the process of one job.
type worker struct {
	job
	begun time.Time
	out   *json.Encoder
	log   *slog.Logger
}

func (w *worker) work(ctx context.Context) error {
	switch w.Kind {
	case jobRead, jobGather:
		return w.read(ctx)
	case jobProduce:
		return w.produce(ctx)
	case jobPublish:
		return w.publish(ctx)
	case jobRelay:
		return w.relay(ctx)
	case jobBroker:
		return w.broker(ctx)
	default:
		return fmt.Errorf("no job is called %q", w.Kind)
	}
}

// streams tells that what is committed from now on is streamed.
func (w *worker) streams() error { return w.out.Encode(outcome{Streams: true}) }

// done tells what the work has taken until now.
func (w *worker) done(times []acked) error {
	elapsed := time.Since(w.begun)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	used := usage()
	return w.out.Encode(outcome{
		Elapsed: elapsed, CPU: used.cpu, PeakRSS: used.peakRSS, Allocations: memory.Mallocs, Times: times,
	})
}
