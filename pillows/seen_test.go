package pillows_test

import (
	"bytes"
	"strings"
	"sync"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

// observations adds up what a pillow observed.
type observations struct {
	mu     sync.Mutex
	counts map[string]map[pillows.Verdict]int
	total  map[string]int
}

func (o *observations) add(seen pillows.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts, o.total = make(map[string]map[pillows.Verdict]int), make(map[string]int)
	}
	if o.counts[seen.Processor] == nil {
		o.counts[seen.Processor] = make(map[pillows.Verdict]int)
	}
	for _, v := range seen.Verdicts {
		o.counts[seen.Processor][v]++
	}
	o.total[seen.Processor] += len(seen.Changes)
}

func (o *observations) of(processor string) map[pillows.Verdict]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[processor]
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns the lines that have all of some parts.
func (l *logBuffer) lines(parts ...string) []string {
	var found []string
	for line := range strings.Lines(l.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// perChange counts how often each change was applied or tried.
func perChange(deliveries []pillowtest.Delivery) map[string]int {
	times := make(map[string]int)
	for _, d := range deliveries {
		times[d.Change.Position.String()]++
	}
	return times
}
