package cdc

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// firstLook is how long after its start a session is watched for the first time.
const firstLook = time.Second

// watcher looks, beside a publisher's sessions, at what may cost the slot its
// place, fill the server's disk, or keep rows from being published. It only
// reports: each condition once when it begins and once when it has ended. What it
// knows goes from one session to the next.
type watcher struct {
	cfg      *Config
	counters *counters
	log      *slog.Logger

	// Of the goroutine of run.
	open  map[string]condition // those that were said and have not ended, by key
	blind bool                 // it was said that looking does not succeed
	hold  hold
}

// condition is something that a person should know of while it lasts.
type condition struct {
	key   string // tells it from others, and stays the same while it lasts
	text  string
	attrs []any
	ended string // what to say when it has ended
}

func newWatcher(cfg *Config, c *counters, log *slog.Logger) *watcher {
	return &watcher{cfg: cfg, counters: c, log: log, open: make(map[string]condition)}
}

// watch starts the session's watching. The function it returns ends it, and waits
// for that.
func (s *session) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watcher.run(ctx, func(ctx context.Context) (*pgconn.PgConn, error) { return s.connect(ctx, false) })
	}()
	return func() {
		cancel()
		<-ended
	}
}

// run looks at intervals until ctx ends, on a connection of its own, which it
// opens when it needs it. It never fails: a publisher can do without.
func (w *watcher) run(ctx context.Context, connect func(context.Context) (*pgconn.PgConn, error)) {
	var conn *pgconn.PgConn
	closeConn := func() {
		if conn != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
			defer cancel()
			conn.Close(closing)
			conn = nil
		}
	}
	defer closeConn()
	for wait := min(firstLook, w.cfg.WatchInterval); sleep(ctx, wait) == nil; wait = w.cfg.WatchInterval {
		var err error
		if conn == nil {
			conn, err = connect(ctx)
		}
		if err == nil {
			err = w.look(ctx, conn)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			closeConn()
		}
		w.sayBlind(err)
	}
}

// look looks once. Where it does not succeed, what was open stays open.
func (w *watcher) look(ctx context.Context, conn *pgconn.PgConn) error {
	slot, err := readSlot(ctx, conn, w.cfg.Slot)
	if err != nil || slot == nil { // nil: it is gone, as the session will find out
		return err
	}
	w.counters.slot.Store(&slot.SlotStats)
	found := slot.judge(w.cfg, w.isOpen)
	if w.hold.note(slot, w.cfg, time.Now()) {
		old, err := readOldest(ctx, conn)
		if err != nil {
			return err
		}
		found = append(found, old.judge(slot, w.hold.since)...)
	}
	tables, err := readUnpublished(ctx, conn, w.cfg)
	if err != nil {
		return err
	}
	for i := range tables {
		found = append(found, tables[i].condition())
	}
	w.say(found)
	return nil
}

func (w *watcher) isOpen(key string) bool {
	_, open := w.open[key]
	return open
}

// say reports what has begun and what has ended since the last look.
func (w *watcher) say(found []condition) {
	now := make(map[string]condition, len(found))
	for _, c := range found {
		now[c.key] = c
		if !w.isOpen(c.key) {
			w.log.Warn(c.text, c.attrs...) //nolint:sloglint // each condition has a text of its own, a constant where it is judged
		}
	}
	for key, c := range w.open {
		if _, still := now[key]; !still {
			w.log.Info(c.ended, "slot", w.cfg.Slot) //nolint:sloglint // as above
		}
	}
	w.open = now
}

// sayBlind reports once that looking does not succeed, and that it does again.
func (w *watcher) sayBlind(err error) {
	switch {
	case err != nil && !w.blind:
		w.log.Warn("the slot cannot be watched for now: publishing goes on, but a log that piles up is not reported", "slot", w.cfg.Slot, "error", err)
	case err == nil && w.blind:
		w.log.Info("the slot is watched again", "slot", w.cfg.Slot)
	}
	w.blind = err != nil
}
