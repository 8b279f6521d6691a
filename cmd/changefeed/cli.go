package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"changefeed/cdc/setup"
	"changefeed/cmd/config"
	"changefeed/cmd/stack"
)

// cli is the whole command line.
type cli struct {
	Config    string `default:"changefeed.yaml" help:"Configuration file." placeholder:"FILE" short:"c"`
	LogFormat string `default:"" enum:",text,json" help:"Format of the logs: text or json." placeholder:"FORMAT"`
	JSON      bool   `help:"Print results as JSON, one object a line."`

	Demo     demoCommand     `cmd:"" help:"Show the whole path on a private PostgreSQL: needs no configuration."`
	Check    checkCommand    `cmd:"" help:"Check databases, brokers and report tables; print what to do about each finding."`
	Init     initCommand     `cmd:"" help:"Make functions, replica identities, publications, slots, state tables and topics."`
	Run      runCommand      `cmd:"" help:"Run everything configured in one process."`
	Backfill backfillCommand `cmd:"" help:"Publish a change for every row of a table that it has already."`
	Publish  publishCommand  `cmd:"" help:"Publish the changes of databases."`
	Pillow   pillowCommand   `cmd:"" help:"Run and list pillows."`
	Topics   topicsCommand   `cmd:"" help:"List, create and read topics."`
	Broker   brokerCommand   `cmd:"" help:"Run the embedded broker alone."`
	Bench    benchCommand    `cmd:"" help:"Measure on this machine."`
	Version  versionCommand  `cmd:"" help:"Print version, commit and Go version."`
}

const description = `Publishes every committed change of a PostgreSQL database on Kafka topics, straight from
its write-ahead log, and keeps report tables in step with it.

  changefeed demo                  see it work, on a private PostgreSQL
  changefeed init --dry-run        see what your database would get
  changefeed init && changefeed run`

// app is what a command works with.
type app struct {
	ctx    context.Context //nolint:containedctx // the life of the command line, made once in run
	flags  *cli
	stdout io.Writer
	stderr io.Writer
}

// The exit codes, by which scripts tell what to do.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

// errUsage is wrapped by errors of flags and arguments.
var errUsage = errors.New("wrong use")

// run executes one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var flags cli
	exited := -1
	parser, err := kong.New(&flags, kong.Name("changefeed"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintf(stderr, "changefeed: %v\n", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help was asked for and printed
	}
	if err != nil {
		fmt.Fprintf(stderr, "changefeed: %v\nTry \"changefeed --help\".\n", err)
		return exitUsage
	}
	ctx, stop := signalContext(stderr)
	defer stop()
	err = parsed.Run(&app{ctx: ctx, flags: &flags, stdout: stdout, stderr: stderr})
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "changefeed: stopped before it had begun")
		return exitFailed
	}
	fmt.Fprintf(stderr, "changefeed: %v\n", err)
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, errUsage), errors.Is(err, config.ErrInvalid), errors.Is(err, stack.ErrUnknown):
		return exitUsage
	}
	if _, refused := errors.AsType[*setup.RefusalError](err); refused || errors.Is(err, errRefused) {
		return exitRefused
	}
	return exitFailed
}

// stack loads the configuration. Close what it returns.
func (a *app) stack() (*stack.Stack, error) {
	cfg, err := config.Load(a.flags.Config, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	log, err := a.logger(&cfg.Log)
	if err != nil {
		return nil, err
	}
	return stack.New(cfg, log), nil
}

// logger writes to standard error.
func (a *app) logger(cfg *config.Log) (*slog.Logger, error) {
	level, err := cfg.SlogLevel()
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	if format := a.flags.LogFormat; format == "json" || format == "" && cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options)), nil
	}
	return slog.New(slog.NewTextHandler(a.stderr, options)), nil
}

// connected is stack, with the brokers found.
func (a *app) connected() (*stack.Stack, error) {
	s, err := a.stack()
	if err != nil {
		return nil, err
	}
	if err = s.RequireBroker(); err == nil {
		err = s.FindBrokers(a.ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
