package cdc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

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
		if !s.stream.ready() {
			s.queue.release()
		}
		tag, body, err := s.stream.next()
		if err == nil {
			err = s.message(reading, tag, body)
		} else {
			err = readError(err)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case work.Err() != nil:
			return context.Cause(work)
		case err != nil && (tag == tagError || interrupts(err)):
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
		s.stream.interrupt()
	})
	return func() {
		if !cancel() {
			<-interrupted
		}
	}
}

// message takes one message of the connection.
func (s *session) message(ctx context.Context, tag byte, body []byte) error {
	switch tag {
	case tagCopyData:
		return s.frame(ctx, body)
	case tagError:
		var m pgproto3.ErrorResponse
		if err := m.Decode(body); err != nil {
			return serverLost(fmt.Errorf("read error of the server: %w", err))
		}
		return streamError(pgconn.ErrorResponseToPgError(&m), s.cfg.Slot)
	case tagNotice:
		var m pgproto3.NoticeResponse
		if err := m.Decode(body); err != nil {
			return fmt.Errorf("%w: notice: %w", ErrProtocol, err)
		}
		return s.notice(&m)
	case tagCopyDone, tagCommandComplete:
		return serverLost(fmt.Errorf("read replication stream: %w", errStreamEnded))
	case tagParameterStatus, tagNotification:
		return nil
	default:
		return fmt.Errorf("%w: unexpected message %+q", ErrProtocol, rune(tag))
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
	if errors.Is(err, ErrProtocol) {
		return err
	}
	return serverLost(fmt.Errorf("read replication stream: %w", err))
}

// streamError tells errors that pass from those that stop the publisher.
func streamError(err error, slot string) error {
	err = explainStream(err, slot)
	if Passes(err) {
		return serverLost(err)
	}
	return err
}
