package demo

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Options say what the demo does and where it shows it.
type Options struct {
	// Changes is how many changes the writer makes. 0: until ctx ends.
	Changes int
	// Rate is how many changes the writer makes in a second at most, its large
	// transactions not counted, which come on top. Default: 2000.
	Rate int
	// JSON prints the result as one JSON object.
	JSON bool
	// Stall is how long nothing may get a verdict, while something waits for one,
	// before it is given up as lost. Default: 30 s.
	Stall time.Duration
	// Out is given the result and nothing else.
	Out io.Writer
	// Screen shows progress, or the live view.
	Screen Screen
	// Log is required. Lines below warnings tear the live view.
	Log *slog.Logger
}

// The defaults of Options.
const (
	DefaultRate  = 2000
	DefaultStall = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Stall == 0 {
		o.Stall = DefaultStall
	}
	if o.Screen.Out == nil {
		o.Screen.Out = io.Discard
	}
	return o
}

// Validate reports every fault of the options.
func (o Options) Validate() error {
	var faults []error
	if o.Changes < 0 {
		faults = append(faults, fmt.Errorf("demo: %d changes: give a number from 1 on, or leave it out to run until Ctrl-C", o.Changes))
	}
	if o.Rate < 0 {
		faults = append(faults, fmt.Errorf("demo: a rate of %d: give changes per second, from 1 on", o.Rate))
	}
	if o.Stall < 0 {
		faults = append(faults, fmt.Errorf("demo: a stall timeout of %s is negative", o.Stall))
	}
	if o.Out == nil || o.Log == nil {
		faults = append(faults, errors.New("demo: no place for the result, or no logger"))
	}
	return errors.Join(faults...)
}
