package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"changefeed/cmd/bench"
	"changefeed/internal/localpg"
)

// workArgument makes the test binary a worker.
const workArgument = "be-a-worker"

func TestMain(m *testing.M) {
	if slices.Contains(os.Args, workArgument) {
		if err := bench.Work(context.Background(), os.Stdin, os.Stdout, slog.New(slog.DiscardHandler)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func options(out *bytes.Buffer) bench.Options {
	return bench.Options{
		Rows: 2000, Rounds: 1, Rates: []int{100}, Time: 500 * time.Millisecond,
		Program: []string{os.Args[0], workArgument}, Out: out, Log: slog.New(slog.DiscardHandler),
	}
}

func run(t *testing.T, o bench.Options) {
	t.Helper()
	err := bench.Run(t.Context(), o)
	if errors.Is(err, localpg.ErrUnavailable) && os.Getenv("CHANGEFEED_TEST_STRICT") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The figures of a run as small as this say nothing; that they are there, and that
// every record was counted on its topic, does.
func TestEveryWorkloadIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("starts dozens of processes")
	}
	var out bytes.Buffer
	o := options(&out)
	o.JSON = true
	run(t, o)
	var got []string
	for line := range strings.Lines(out.String()) {
		var figures map[string]any
		if err := json.Unmarshal([]byte(line), &figures); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, fmt.Sprint(figures["workload"], " ", figures["socket"]))
		want := []string{"rows", "rows_per_s", "read_rows_per_s", "ratio_to_read", "ratio_to_produce", "cpu_s_per_million_rows", "allocations_per_row", "peak_rss_mib"}
		if figures["workload"] == "latency" {
			want = []string{"commits_per_s", "p50_ms", "p99_ms", "relay_p50_ms", "relay_p99_ms", "ratio_p50", "ratio_p99"}
		}
		for _, key := range want {
			if n, ok := figures[key].(float64); !ok || n == 0 {
				t.Errorf("%s of %v is %v", key, figures["workload"], figures[key])
			}
		}
	}
	var want []string
	for _, name := range bench.Names() {
		want = append(want, name+" tcp", name+" unix")
	}
	if !slices.Equal(got, want) {
		t.Errorf("measured %q, want %q", got, want)
	}
}

func TestTableFitsAScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server and several processes")
	}
	var out bytes.Buffer
	o := options(&out)
	o.Workloads, o.Sockets = []string{"satellites", "latency"}, []string{"unix"}
	run(t, o)
	if lines := strings.Count(out.String(), "\n"); lines != 5 {
		t.Errorf("%d lines, want 5:\n%s", lines, out.String())
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 100 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	o := options(new(bytes.Buffer))
	o.Workloads, o.Rows, o.Rates, o.Sockets = []string{"none"}, 10, []int{-1}, []string{"udp"}
	err := o.Validate()
	for _, want := range []string{`"none": choose from catch-up`, "10 rows are too few", "a rate of -1", `"udp"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
