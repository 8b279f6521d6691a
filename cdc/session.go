package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgproto3"

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
	routed       map[uint32]TableName                        // the publisher's; of the receiving goroutine
	heads        map[TableName]uint32                        // likewise
	standBy      func(ctx context.Context, pid string) error // waits before the next look at the slot
	progress     func()                                      // the server has been told something new

	conn      net.Conn
	frontend  *pgproto3.Frontend // of the receiving goroutine, as are those below
	decoded   pgoutput.Message
	xids      xidClock
	names     map[uint32][]TableName // by OID: a table's name, then those of the tables that it is a part of
	assembler assembler
	// unreadable is why the log cannot be read on. It is final.
	unreadable error

	queue  *queue
	window *window
	status *statusWriter
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
	identify, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	system, err := pglogrepl.IdentifySystem(identify, conn)
	if err != nil {
		return connectError(fmt.Errorf("identify system: %w", err))
	}
	if err := s.inspect(ctx, conn); err != nil {
		return err
	}
	if err := s.claim(ctx, conn); err != nil {
		return err
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return fmt.Errorf("take over connection: %w", err)
	}
	keep = true
	s.conn, s.frontend = hijacked.Conn, hijacked.Frontend
	s.log.Debug("replication started", "slot", s.cfg.Slot, "system", system.SystemID, "timeline", system.Timeline,
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
		epoch:          s.cfg.Epoch,
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
// Three goroutines work: this one reads, one publishes, one writes status. The
// first failure of any, or of the sink, ends all.
func (s *session) run(ctx context.Context) error {
	defer s.conn.Close()
	s.prepare()
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
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
	defer sink.Close()

	var stages sync.WaitGroup
	defer stages.Wait() // before the sink is closed
	stages.Go(func() {
		if err := s.status.run(work); err != nil {
			fail(err)
		}
	})
	published := make(chan struct{})
	stages.Go(func() {
		defer close(published)
		if err := s.newOutlet(sink).run(work); err != nil {
			fail(err)
		}
	})
	if err := s.receive(ctx, work); err != nil {
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

func (s *session) newOutlet(sink Sink) *outlet {
	return &outlet{
		source:   s.cfg.Source,
		epoch:    s.cfg.Epoch,
		queue:    s.queue,
		window:   s.window,
		sink:     sink,
		limit:    publishChanges,
		parents:  newParents(s.cfg, s.routes, s.counters, s.log),
		counters: s.counters,
	}
}

// drain ends a session in which reading has stopped: first everything that was
// read is published and acknowledged, then the server is told for the last time,
// then the connection is ended as the protocol wants it.
func (s *session) drain(work context.Context, fail context.CancelCauseFunc, published <-chan struct{}, stages *sync.WaitGroup) error {
	s.counters.setState("draining")
	late := time.AfterFunc(s.cfg.DrainTimeout, func() { fail(fmt.Errorf("the drain timeout of %s is over", s.cfg.DrainTimeout)) })
	defer late.Stop()

	s.queue.close()
	<-published
	s.status.finish()
	stages.Wait()
	err := s.status.write() // also of a part
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
	if s.conn.SetDeadline(time.Now().Add(leaveTimeout)) != nil {
		return
	}
	if _, err := s.conn.Write(copyDone); err != nil {
		return
	}
	for ready := false; !ready; {
		message, err := s.frontend.Receive()
		if err != nil {
			return
		}
		_, ready = message.(*pgproto3.ReadyForQuery)
	}
	_, _ = s.conn.Write(terminate)
}
