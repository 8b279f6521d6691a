package cdc

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed"
)

// resume finds out where the session goes on: from the checkpoint of the one
// before, from what the topics hold beyond it, and from the log. The slot is
// held, so nobody else begins; the claim keeps one that had it before from saving
// any more. Until resume has returned, nothing is read from the stream, nothing
// is confirmed and nothing published; before the first change can be, the
// checkpoint that it begins with is saved, so that its records will be found.
func (s *session) resume(ctx context.Context) error {
	if s.deps.Checkpoints == nil {
		s.begin(s.cfg.Epoch, newReplay(0, place{}, nil))
		return nil
	}
	defer s.counters.during("reading topics back")()
	claim, saved, err := s.claim(ctx)
	if err != nil {
		return err
	}
	if err := s.readOrigin(ctx); err != nil {
		return err
	}
	back, err := s.readBack(ctx, saved)
	if err != nil {
		return err
	}
	p := decide(saved, &s.origin, back, s.layout, s.cfg.TopicNames(), s.otherLog)
	if err := s.settleEpoch(ctx, &p); err != nil {
		return err
	}
	s.saver = &saver{
		store: s.deps.Checkpoints, source: s.cfg.Source, claim: claim,
		begin: p.begin, top: p.top, ends: back.ends, look: s.ends, replay: p.replay,
		window: s.window, offsets: func() changefeed.Offsets { return nil }, limit: maxUncovered,
		log: s.log, counters: s.counters,
		stop: make(chan struct{}), moved: make(chan struct{}, 1),
	}
	if err := s.saver.save(ctx, false); err != nil {
		return stateLost(err)
	}
	s.begin(p.begin.Epoch, p.replay)
	s.log.Debug("session resumes", "epoch", p.begin.Epoch, "lsn", pglogrepl.LSN(p.begin.LSN).String(),
		"acknowledged", p.begin.Acknowledged.String(), "read_back", len(back.places), "start", pglogrepl.LSN(s.origin.start).String())
	return nil
}

// begin gives the epoch and the replay to the stages.
func (s *session) begin(epoch uint32, r *replay) {
	s.epoch = epoch
	s.assembler.epoch, s.assembler.replay = epoch, r
	s.counters.epoch.Store(epoch)
	s.resumed()
}

func (s *session) claim(ctx context.Context) (int64, *Checkpoint, error) {
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	claim, saved, err := s.deps.Checkpoints.Claim(bounded, s.cfg.Source)
	if err != nil {
		return 0, nil, stateLost(err)
	}
	return claim, saved, nil
}

// readBack reads what the topics hold beyond the checkpoint; without one it looks
// which epochs they hold.
func (s *session) readBack(ctx context.Context, saved *Checkpoint) (*tail, error) {
	var err error
	back := &tail{}
	each := func(p changefeed.Position) error {
		back.add(p, saved)
		return nil
	}
	if saved == nil {
		back.ends, err = s.deps.Tails.Last(ctx, s.cfg.Source, s.cfg.TopicNames(), each)
	} else {
		back.ends, err = s.deps.Tails.Read(ctx, s.cfg.Source, s.cfg.TopicNames(), saved.Offsets, saved.Closed, each)
	}
	if err != nil {
		return nil, &interruption{waits: "topics", err: fmt.Errorf("read topics back: %w", err)}
	}
	return back, nil
}

// ends reads where the topics end.
func (s *session) ends(ctx context.Context) (changefeed.Offsets, error) {
	return s.deps.Tails.Last(ctx, s.cfg.Source, s.cfg.TopicNames(), func(changefeed.Position) error { return nil })
}

// settleEpoch takes a new epoch where one is wanted, and says what will come
// again.
func (s *session) settleEpoch(ctx context.Context, r *resumption) error {
	if r.newEpoch == "" {
		if len(r.again) > 0 {
			s.log.Warn("what positions depend on has changed: transactions after the checkpoint are published again as a whole",
				"changed", r.describe(), "lsn", pglogrepl.LSN(r.begin.LSN).String())
		}
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	epoch, err := s.deps.Checkpoints.NextEpoch(bounded, r.above)
	if err != nil {
		return stateLost(err)
	}
	r.begin.Epoch = epoch
	if r.lost {
		s.log.Warn("positions begin a new epoch: what the slot still holds is published, though the topics may have it",
			"epoch", epoch, "reason", r.newEpoch)
	} else {
		s.log.Info("positions begin their first epoch", "epoch", epoch)
	}
	return nil
}

// identify reads which log the server has. It is called while nobody reads the
// slot, because the connection is the stream's afterwards.
func (s *session) identify(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return connectError(fmt.Errorf("identify system: %w", err))
	}
	s.origin = origin{system: system.SystemID, timeline: system.Timeline}
	if s.deps.Checkpoints == nil || system.Timeline <= 1 {
		return nil
	}
	history, err := pglogrepl.TimelineHistory(ctx, conn, system.Timeline)
	if err == nil {
		s.origin.ancestors, err = parseTimelineHistory(history.Content)
	}
	s.origin.historyErr = err // it matters only where the timeline is another
	return nil
}

// readOrigin reads, on a connection of its own, where the stream begins and where
// the log ends. While nothing is confirmed the slot stays where it is; the log's
// end is read after the last holder of the slot has published what it will.
func (s *session) readOrigin(ctx context.Context) error {
	rows, err := s.queryAside(ctx, `SELECT slot.confirmed_flush_lsn, CASE WHEN pg_catalog.pg_is_in_recovery()
	THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END
FROM pg_catalog.pg_replication_slots AS slot WHERE slot.slot_name = '`+s.cfg.Slot+`'`)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return serverLost(fmt.Errorf("read slot %s: it is not there", s.cfg.Slot))
	}
	start, err := pglogrepl.ParseLSN(string(rows[0][0]))
	if err != nil {
		return serverLost(fmt.Errorf("read slot %s: confirmed position: %w", s.cfg.Slot, err))
	}
	end, err := pglogrepl.ParseLSN(string(rows[0][1]))
	if err != nil {
		return serverLost(fmt.Errorf("read slot %s: end of the log: %w", s.cfg.Slot, err))
	}
	s.origin.start, s.origin.end = uint64(start), uint64(end)
	return nil
}
