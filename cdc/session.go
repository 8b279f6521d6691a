package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"changefeed/cdc/internal/pgoutput"
)

// leaveTimeout bounds the farewell to the server. A server in the middle of a
// large transaction does not hear it before the transaction's end.
const leaveTimeout = 2 * time.Second

// session is one replication connection, and one sink, from the start of
// streaming to the loss of either or the end of the publisher.
type session struct {
	cfg          *Config
	deps         *Deps
	routes       map[TableName]*route
	publications []string
	messages     *messages // the publisher's; of the receiving goroutine
	counters     *counters
	log          *slog.Logger
	layout       string                                      // see layoutOf
	otherLog     string                                      // why the session before found the log to be another one, or nothing
	watcher      *watcher                                    // the publisher's
	routed       map[uint32]TableName                        // the publisher's; of the receiving goroutine
	heads        map[TableName]uint32                        // likewise
	standBy      func(ctx context.Context, pid string) error // waits before the next look at the slot
	resumed      func()                                      // the session has found out where it goes on
	progress     func()                                      // the server has been told something new

	inbound   inbound // before the stream
	conn      net.Conn
	stream    *stream // of the receiving goroutine, as are those below
	decoded   pgoutput.Message
	xids      xidClock
	names     map[uint32][]TableName // by OID: a table's name, then those of the tables that it is a part of
	assembler assembler
	// unreadable is why the log cannot be read on. It is final.
	unreadable error

	origin origin
	epoch  uint32 // of the positions
	queue  *queue
	window *window
	status *statusWriter
	saver  *saver // nil where checkpoints are not saved
	sink   Sink
}

// open gets the slot. After it the connection is the session's.
func (s *session) open(ctx context.Context) error {
	conn, err := s.connect(ctx, true)
	if err != nil {
		return err
	}
	keep := false
	defer func() {
		if !keep {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	if err := s.inspect(ctx, conn); err != nil {
		return err
	}
	if err := s.takeSlot(ctx, conn); err != nil {
		return err
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return fmt.Errorf("take over connection: %w", err)
	}
	if s.stream, err = newStream(hijacked.Conn, s.inbound.from); err != nil {
		hijacked.Conn.Close()
		return serverLost(err)
	}
	keep = true
	s.conn = s.stream.conn
	s.log.Debug("replication started", "slot", s.cfg.Slot, "system", s.origin.system, "timeline", s.origin.timeline,
		"server_version", hijacked.ParameterStatuses["server_version"], "pid", hijacked.PID)
	return nil
}

// prepare makes the stages of the session, which begin with nothing.
func (s *session) prepare() {
	s.queue = newQueue()
	s.status = newStatusWriter(s.conn, s.cfg.StatusInterval, s.counters)
	s.status.progress = s.progress
	s.window = newWindow(s.status.moved, func(n int) { s.counters.acknowledged.Add(uint64(n)) })
	s.xids.read = s.nextXID
	s.assembler = assembler{
		pieceDocuments: s.cfg.PieceDocuments,
		pieceBytes:     s.cfg.PieceBytes,
		ordered:        ordered(s.routes),
		routes:         s.routes,
		routed:         s.routed,
		names:          s.namesOf,
		detached:       s.detached,
		columns:        s.columnsOf,
		queue:          s.queue,
		xids:           &s.xids,
		messages:       s.messages,
		counters:       s.counters,
		log:            s.log,
		relations:      make(map[uint32]*relation),
		docs:           newDocuments(),
	}
}

// run streams until something fails, or ctx has ended and everything that was
// read before is acknowledged and confirmed; it then returns nil. It closes the
// connection.
//
// Where the log cannot be read on, what comes before is also acknowledged and
// confirmed first: else it would be published again by each new attempt.
//
// This goroutine reads, one publishes, one writes status, one saves checkpoints and
// one watches whether anything comes. The first failure of any, or of the sink, ends
// all. One more looks at the slot, and never fails. Status is written from the
// beginning, because it can take long to find out where to go on.
func (s *session) run(ctx context.Context) error {
	defer s.conn.Close()
	s.prepare()
	defer s.watch(context.WithoutCancel(ctx))()
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	var stages sync.WaitGroup
	defer func() {
		fail(nil)
		stages.Wait()
		if s.sink != nil {
			s.sink.Close()
		}
	}()
	stages.Go(func() {
		if err := s.status.run(work); err != nil {
			fail(err)
		}
	})
	watching, stopWatching := context.WithCancel(work)
	defer stopWatching()
	stages.Go(func() {
		if err := s.newSilenceWatch().run(watching); err != nil {
			fail(err)
		}
	})
	published := make(chan struct{})
	err := s.start(ctx, work, fail)
	if err == nil {
		s.publish(work, fail, &stages, published)
		err = s.receive(ctx, work)
	}
	stopWatching()
	if err != nil {
		fail(err)
		s.conn.Close() // a write that is stuck ends as well
		return context.Cause(work)
	}
	err = s.drain(work, fail, published, &stages)
	if s.unreadable != nil {
		return s.unreadable
	}
	return err
}

// start finds out where to go on, and opens the sink.
func (s *session) start(ctx, work context.Context, fail context.CancelCauseFunc) error {
	starting, stop := context.WithCancel(work)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	if err := s.resume(starting); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	sink, err := s.deps.OpenSink(func(floor uint64, err error) {
		if err != nil {
			fail(sinkFailed(err))
			return
		}
		s.window.acknowledge(floor)
	})
	if err != nil {
		return sinkFailed(fmt.Errorf("open sink: %w", err))
	}
	s.sink = sink
	return nil
}

// publish starts the stages behind the reading one. The channel is closed when
// nothing more is published.
func (s *session) publish(work context.Context, fail context.CancelCauseFunc, stages *sync.WaitGroup, published chan<- struct{}) {
	if s.saver != nil {
		s.saver.offsets = s.sink.Offsets
		stages.Go(func() {
			if err := s.saver.run(work); err != nil {
				fail(err)
			}
		})
	}
	stages.Go(func() {
		defer close(published)
		if err := s.newOutlet().run(work); err != nil {
			fail(err)
		}
	})
}

func (s *session) newOutlet() *outlet {
	return &outlet{
		source:   s.cfg.Source,
		epoch:    s.epoch,
		queue:    s.queue,
		window:   s.window,
		sink:     s.sink,
		saver:    s.saver,
		limit:    publishChanges,
		parents:  newParents(s.cfg, s.epoch, s.routes, s.counters, s.log),
		counters: s.counters,
	}
}

// drain ends a session in which reading has stopped: first everything that was
// read is published and acknowledged, then the server is told for the last time,
// then the last checkpoint is saved, then the connection is ended as the protocol
// wants it: whoever gets the slot next finds all that.
func (s *session) drain(work context.Context, fail context.CancelCauseFunc, published <-chan struct{}, stages *sync.WaitGroup) error {
	s.counters.setState("draining")
	late := time.AfterFunc(s.cfg.DrainTimeout, func() { fail(fmt.Errorf("the drain timeout of %s is over", s.cfg.DrainTimeout)) })
	defer late.Stop()

	s.queue.close()
	<-published
	s.status.finish()
	if s.saver != nil {
		s.saver.finish()
	}
	stages.Wait()
	err := s.status.write() // also of a part
	if s.saver != nil && work.Err() == nil {
		s.saver.close(work)
	}
	s.leave()
	if work.Err() != nil {
		err = context.Cause(work)
	}
	if err != nil {
		return fmt.Errorf("drain: %w: %d changes are left, which the next run publishes: %w", ErrDrain, s.queue.left()+s.window.left(), err)
	}
	return nil
}

// leave ends the stream and the connection, so that the slot is free at once.
// Nothing depends on it.
func (s *session) leave() {
	var (
		copyDone  = []byte{'c', 0, 0, 0, 4}
		terminate = []byte{'X', 0, 0, 0, 4}
	)
	if s.stream.leave(time.Now().Add(leaveTimeout)) != nil {
		return
	}
	if _, err := s.conn.Write(copyDone); err != nil {
		return
	}
	for {
		tag, _, err := s.stream.next()
		if err != nil {
			return
		}
		if tag == tagReady {
			break
		}
	}
	_, _ = s.conn.Write(terminate)
}
