package cdc

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// silenceSteps is how often in a Config.SilenceTimeout it is looked whether
// something has come.
const silenceSteps = 30

// hearing says whether anything comes from the server: the receiving goroutine
// notes it, another looks.
type hearing struct {
	reads   atomic.Uint64 // that have returned something
	waiting atomic.Bool   // a read is under way: if nothing comes, it is not our fault
}

// silenceWatch ends a session in which the server is silent for too long. The
// limits of the socket are not enough: behind a proxy, or an address translation
// that has forgotten the connection, somebody else acknowledges what is written.
//
//	hearing ── half of the timeout without a byte ──▶ asked for a reply
//	   ▲                                                   │
//	   ├──────────────────── a byte ───────────────────────┤
//	   │                                                   │ the other half
//	   └── the server is at work on the log ◀── looked ────┘
//	                                              └── else ──▶ connection lost
//
// A server that works through a transaction of which nothing is published may
// neither send anything nor listen, for minutes. So it is looked, on a connection
// of its own, what the process that reads the slot does: one that waits for us, or
// for more log, would have answered.
type silenceWatch struct {
	timeout time.Duration
	heard   *hearing
	ask     func()                                  // asks the server for a reply
	busy    func(ctx context.Context) (bool, error) // whether it is at work on the log
	say     func()                                  // once in a silence: it is
}

// run returns an interruption when the connection is lost, and nil when ctx ends.
// Time in which this process was stopped does not count: a step is one, however
// late it comes.
func (w *silenceWatch) run(ctx context.Context) error {
	ticker := time.NewTicker(max(w.timeout/silenceSteps, 1))
	defer ticker.Stop()
	var reads uint64
	quiet, said := 0, false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if now := w.heard.reads.Load(); now != reads || !w.heard.waiting.Load() {
			reads, quiet, said = now, 0, false
			continue
		}
		switch quiet++; {
		case quiet == silenceSteps/2:
			w.ask()
		case quiet >= silenceSteps:
			busy, err := w.busy(ctx)
			if now := w.heard.reads.Load(); ctx.Err() != nil || now != reads {
				continue
			}
			if err != nil || !busy {
				return w.lost(err)
			}
			if quiet = 0; !said {
				w.say()
				said = true
			}
		}
	}
}

func (w *silenceWatch) lost(err error) error {
	if err != nil {
		return serverLost(fmt.Errorf("read replication stream: nothing has come for %s, and the server cannot be asked why: %w", w.timeout, err))
	}
	return serverLost(fmt.Errorf("read replication stream: nothing has come for %s, and no answer", w.timeout))
}

func (s *session) newSilenceWatch() *silenceWatch {
	return &silenceWatch{
		timeout: s.cfg.SilenceTimeout,
		heard:   &s.stream.heard,
		ask:     s.status.request,
		busy:    s.serverBusy,
		say: func() {
			s.log.Info("server sends nothing while it works through its log, waiting for it", "slot", s.cfg.Slot)
		},
	}
}

// serverBusy reports whether the process that reads the slot is at work. It has
// that process's privileges where it is of the same role; another's is not ours.
func (s *session) serverBusy(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	rows, err := s.queryAside(ctx, `SELECT activity.wait_event_type
FROM pg_catalog.pg_replication_slots AS slot
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = slot.active_pid AND activity.state IS NOT NULL
WHERE slot.slot_name = '`+s.cfg.Slot+`'`)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	// Activity: it waits for log; Client: for us. Otherwise it reads a file, waits
	// for a lock, or computes.
	waits := string(rows[0][0])
	return waits != "Activity" && waits != "Client", nil
}
