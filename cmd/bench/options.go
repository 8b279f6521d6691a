package bench

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Options say what is measured.
type Options struct {
	// Workloads are names of workloads, or "latency". Empty: all.
	Workloads []string
	// Rows of each backlog. Default: 1,000,000.
	Rows int
	// Rounds is how often each worker has its turn. Default: 3.
	Rounds int
	// Sockets are tcp, unix or both, in the order of measuring.
	Sockets []string
	// Rates are the commits a second at which latency is measured. Default: 200
	// and 2000.
	Rates []int
	// Time is how long writers write for one measurement of latency. Default: 10 s.
	Time time.Duration
	// Profiles is a directory for the publishers' processor and heap profiles.
	// Empty: none.
	Profiles string
	// Program is the command line of a worker, which calls [Work].
	Program []string
	// JSON prints one object a line.
	JSON bool
	// Out is given the result and nothing else, Progress what is being done.
	Out, Progress io.Writer
	// Log is required.
	Log *slog.Logger
}

// The defaults of Options.
const (
	DefaultRows   = 1_000_000
	DefaultRounds = 3
	DefaultTime   = 10 * time.Second
)

// The sockets.
const (
	socketTCP  = "tcp"
	socketUnix = "unix"
)

// latency is what stands for the measurement of latency among the workloads.
const latency = "latency"

func (o Options) withDefaults() Options {
	if len(o.Workloads) == 0 {
		o.Workloads = Names()
	}
	if o.Rows == 0 {
		o.Rows = DefaultRows
	}
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if len(o.Sockets) == 0 {
		o.Sockets = []string{socketTCP, socketUnix}
	}
	if len(o.Rates) == 0 {
		o.Rates = []int{200, 2000}
	}
	if o.Time == 0 {
		o.Time = DefaultTime
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Names returns the names that Options.Workloads may have.
func Names() []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return append(names, latency)
}

// leastRows make a whole transaction of every workload.
const leastRows = 1000

// Validate reports every fault of the options, whose zero values are defaults.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	for _, name := range o.Workloads {
		if !slices.Contains(Names(), name) {
			faults = append(faults, fmt.Errorf("bench: no workload is called %q: choose from %s", name, strings.Join(Names(), ", ")))
		}
	}
	if o.Rows < leastRows {
		faults = append(faults, fmt.Errorf("bench: %d rows are too few: take %d or more", o.Rows, leastRows))
	}
	if o.Rounds < 0 || o.Time < 0 {
		faults = append(faults, errors.New("bench: rounds and time are counted from 1"))
	}
	for _, rate := range o.Rates {
		if rate <= 0 {
			faults = append(faults, fmt.Errorf("bench: a rate of %d: give commits a second, from 1 on", rate))
		}
	}
	for _, socket := range o.Sockets {
		if socket != socketTCP && socket != socketUnix {
			faults = append(faults, fmt.Errorf("bench: socket %q: choose tcp or unix", socket))
		}
	}
	if len(o.Program) == 0 || o.Out == nil || o.Log == nil {
		faults = append(faults, errors.New("bench: no program, no place for the result, or no logger"))
	}
	return errors.Join(faults...)
}
