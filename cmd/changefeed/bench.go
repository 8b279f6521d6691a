package main

import (
	"fmt"
	"os"
	"time"

	"changefeed/cmd/bench"
	"changefeed/cmd/config"
)

type benchCommand struct {
	Publish benchPublishCommand `cmd:"" help:"Measure the publisher beside a bare reader and a bare producer, on a private PostgreSQL: needs no configuration."`
	Work    benchWorkCommand    `cmd:"" help:"Be a process of a benchmark." hidden:""`
}

type benchPublishCommand struct {
	Workload []string      `help:"What to measure: catch-up, single, huge, wide, satellites, latency; all of it without." placeholder:"NAME"`
	Rows     int           `help:"Rows of each backlog (default 1000000)." placeholder:"N"`
	Rounds   int           `help:"Turns of each worker (default 3)." placeholder:"N"`
	Socket   string        `default:"both" enum:"tcp,unix,both" help:"How the server is reached: tcp, unix or both." placeholder:"KIND"`
	Rate     []int         `help:"Commits a second for latency (default 200,2000)." placeholder:"N"`
	Time     time.Duration `help:"Time of one measurement of latency (default 10s)." placeholder:"TIME"`
	Profile  string        `help:"Directory for profiles of the publisher." hidden:"" type:"existingdir"`
}

// Run runs the benchmark. It reads no configuration.
func (c *benchPublishCommand) Run(a *app) error {
	log, err := a.logger(&config.Log{Format: "text", Level: "warn"})
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	options := bench.Options{
		Workloads: c.Workload, Rows: c.Rows, Rounds: c.Rounds, Rates: c.Rate, Time: c.Time, Profiles: c.Profile,
		Program: []string{program, "bench", "work"},
		JSON:    a.flags.JSON, Out: a.stdout, Progress: a.stderr, Log: log,
	}
	if c.Socket != "both" {
		options.Sockets = []string{c.Socket}
	}
	if err := options.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return bench.Run(a.ctx, options)
}

type benchWorkCommand struct{}

// Run does the job on standard input.
func (*benchWorkCommand) Run(a *app) error {
	log, err := a.logger(&config.Log{Format: "text", Level: "warn"})
	if err != nil {
		return err
	}
	return bench.Work(a.ctx, os.Stdin, a.stdout, log)
}
