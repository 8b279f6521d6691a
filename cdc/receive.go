package cdc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/cdc/internal/sqlstate"
)

var errStreamEnded = errors.New("the server ended the stream")

// receive reads the stream into the assembler until ctx or work ends. It returns
// nil where no more is to be read and what was read is still to be published:
// ctx has ended, or the stream holds what cannot be read or published, which is
// then in s.unreadable.
func (s *session) receive(ctx, work context.Context) error {
	reading, stop := context.WithCancel(work)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	defer s.interruptReads(reading)()
	for {
		message, err := s.frontend.Receive()
		_, refused := message.(*pgproto3.ErrorResponse)
		if err == nil {
			err = s.message(reading, message)
		} else {
			err = readError(err)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case work.Err() != nil:
			return context.Cause(work)
		case err != nil && (refused || interrupts(err)):
			return err // nothing can be confirmed on this connection any more
		case err != nil:
			s.unreadable = err
			return nil
		}
	}
}

// interruptReads makes reads fail once ctx has ended. The function it returns
// takes that back and waits, so that no interruption comes after it.
func (s *session) interruptReads(ctx context.Context) (restore func()) {
	interrupted := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection, where reads fail too
	})
	return func() {
		if !cancel() {
			<-interrupted
		}
	}
}

// message takes one message of the connection.
func (s *session) message(ctx context.Context, message pgproto3.BackendMessage) error {
	switch m := message.(type) {
	case *pgproto3.CopyData:
		return s.frame(ctx, m.Data)
	case *pgproto3.ErrorResponse:
		return streamError(pgconn.ErrorResponseToPgError(m), s.cfg.Slot)
	case *pgproto3.NoticeResponse:
		return s.notice(m)
	case *pgproto3.CopyDone, *pgproto3.CommandComplete:
		return serverLost(fmt.Errorf("read replication stream: %w", errStreamEnded))
	case *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		return nil
	default:
		return fmt.Errorf("%w: unexpected %T", ErrProtocol, message)
	}
}

// frame takes one frame of the replication protocol: a piece of the log or a
// keepalive.
func (s *session) frame(ctx context.Context, data []byte) error {
	const (
		logHeader = 1 + 8 + 8 + 8 // tag, start of the piece, the server's end of log, time
		keepalive = 1 + 8 + 8 + 1 // tag, the server's end of log, time, whether to answer
	)
	switch {
	case len(data) >= logHeader && data[0] == pglogrepl.XLogDataByteID:
		start := binary.BigEndian.Uint64(data[1:])
		s.status.receive(start)
		if err := s.decoded.Decode(data[logHeader:]); err != nil {
			return fmt.Errorf("%w: at %s: %w", ErrProtocol, pglogrepl.LSN(start), err)
		}
		return s.assembler.handle(ctx, &s.decoded)
	case len(data) == keepalive && data[0] == pglogrepl.PrimaryKeepaliveMessageByteID:
		return s.keepalive(binary.BigEndian.Uint64(data[1:]), data[keepalive-1] != 0)
	default:
		return fmt.Errorf("%w: frame of %d bytes", ErrProtocol, len(data))
	}
}

// keepalive takes the end of the log that the server has worked through. Outside
// a transaction everything before it has been read, so it goes where the end of
// a transaction would go, behind all that is not acknowledged. In a transaction
// it says nothing.
func (s *session) keepalive(end uint64, reply bool) error {
	s.status.receive(end)
	if reply {
		s.status.ask(end)
	}
	if s.assembler.open() {
		return nil
	}
	return s.assembler.passed(end, false)
}

// notice takes a notice of the server. From version 18 on it only warns where a
// publication is missing at the place in the log, and leaves its rows out.
func (s *session) notice(m *pgproto3.NoticeResponse) error {
	if m.Code == sqlstate.NotPrerequisite {
		return fmt.Errorf("read replication stream: %w: %s: rows would be left out: %s", ErrPublicationMissing, m.Message, replaceSlot(s.cfg.Slot))
	}
	s.log.Warn("server sent a notice", "severity", m.Severity, "message", m.Message, "detail", m.Detail)
	return nil
}

// readError tells a lost connection from bytes that are no message.
func readError(err error) error {
	_, network := errors.AsType[net.Error](err)
	if network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return serverLost(fmt.Errorf("read replication stream: %w", err))
	}
	return fmt.Errorf("%w: %w", ErrProtocol, err)
}

// streamError tells errors that pass from those that stop the publisher.
func streamError(err error, slot string) error {
	err = explainStream(err, slot)
	if Passes(err) {
		return serverLost(err)
	}
	return err
}
