package cdc

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pglogrepl"
)

// replay tells which changes of the log are in the topics already, while the log
// is read again from an earlier place. It belongs to the receiving goroutine,
// but for confirmed.
//
// It also puts the log to the test. The places that are in the topics were
// numbered from the same log, so the replay has to meet each of them; where it
// passes one, this is another log, and the topics hold changes that it does not.
// Until the last one has been met, nothing of the log may be confirmed or saved.
type replay struct {
	// through: every transaction whose commit record starts before it is in the
	// topics.
	through uint64
	// acknowledged: it and every place below it is in the topics.
	acknowledged place
	// expected are the places that the replay has to meet, ascending and each
	// once: acknowledged, and all in the topics that are above it. It is dropped
	// when all are met.
	expected []place
	met      int  // of expected
	over     bool // nothing that is read from now on is in the topics

	confirmed atomic.Bool // all of expected is met: this is the log
}

// newReplay takes the places in the topics in any order.
func newReplay(through uint64, acknowledged place, expected []place) *replay {
	slices.SortFunc(expected, place.compare)
	r := &replay{through: through, acknowledged: acknowledged, expected: slices.Compact(expected)}
	r.settle()
	return r
}

// settle notes that all expected places have been met.
func (r *replay) settle() {
	if r.met == len(r.expected) {
		r.expected, r.met = nil, 0
		r.confirmed.Store(true)
	}
}

// holds reports whether a change is in the topics. Places are asked for in
// ascending order, every one that the log has. The error is an interruption.
func (r *replay) holds(p place) (bool, error) {
	if r.over {
		return false, nil
	}
	if r.met < len(r.expected) {
		switch c := r.expected[r.met].compare(p); {
		case c < 0:
			return false, otherLog(r.expected[r.met])
		case c == 0:
			r.met++
			r.settle()
			return true, nil
		}
	}
	if p.lsn < r.through || p.compare(r.acknowledged) <= 0 {
		return true, nil
	}
	r.over = len(r.expected) == 0
	return false, nil
}

// passes takes the end of a transaction, or that of a keepalive outside of one:
// everything committed before it has been read. It reports whether that may be
// confirmed. The error is an interruption.
func (r *replay) passes(end uint64) (bool, error) {
	if r.met < len(r.expected) {
		if r.expected[r.met].lsn < end {
			return false, otherLog(r.expected[r.met])
		}
		return false, nil
	}
	return true, nil
}

// otherLogError says that the topics hold changes of another log.
type otherLogError struct{ missing place }

func (e *otherLogError) Error() string {
	return fmt.Sprintf("the topics hold a change at %s, number %d, which the log does not have",
		pglogrepl.LSN(e.missing.lsn), e.missing.ordinal)
}

// otherLog ends the session; the next one begins a new epoch.
func otherLog(missing place) error {
	return &interruption{waits: "log", err: &otherLogError{missing: missing}}
}
