package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// replication is a slot that is being read, with nothing confirmed on it.
type replication struct {
	conn     net.Conn
	frontend *pgproto3.Frontend
	close    func()
}

// replicate starts to read the worker's slot.
func (w *worker) replicate(ctx context.Context) (*replication, error) {
	cfg, err := pgconn.ParseConfig(w.DSN)
	if err != nil {
		return nil, errors.New("parse connection string of the benchmark's server")
	}
	cfg.RuntimeParams["replication"] = "database"
	var from gathered
	cfg.BuildFrontend = func(r io.Reader, to io.Writer) *pgproto3.Frontend {
		from.from = r
		return pgproto3.NewFrontend(&from, to)
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	err = pglogrepl.StartReplication(ctx, conn, w.Slot, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names '" + w.Publications + "'"},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start replication: %w", err), conn.Close(context.WithoutCancel(ctx)))
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	if w.Kind == jobGather {
		if err := from.gather(hijacked.Conn); err != nil {
			return nil, errors.Join(err, hijacked.Conn.Close())
		}
	}
	stop := context.AfterFunc(ctx, func() { hijacked.Conn.Close() })
	return &replication{conn: hijacked.Conn, frontend: hijacked.Frontend, close: func() { stop(); hijacked.Conn.Close() }}, nil
}

// logHeader stands before each message of the log: a tag and three numbers.
const logHeader = 1 + 8 + 8 + 8

// next returns the next message of the log, which is valid until the following
// call. A deadline that passes is not an error.
func (r *replication) next() ([]byte, error) {
	for {
		message, err := r.frontend.Receive()
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if len(m.Data) > logHeader && m.Data[0] == pglogrepl.XLogDataByteID {
				return m.Data[logHeader:], nil
			}
		case *pgproto3.ErrorResponse:
			return nil, fmt.Errorf("read replication stream: %w", pgconn.ErrorResponseToPgError(m))
		}
		if err != nil {
			return nil, fmt.Errorf("read replication stream: %w", err)
		}
	}
}

// status tells the server that the reader lives.
func (r *replication) status() error {
	const length = 4 + 1 + 4*8 + 1 // of an update that confirms nothing
	update := [1 + length]byte{'d', 0, 0, 0, length, pglogrepl.StandbyStatusUpdateByteID}
	if _, err := r.conn.Write(update[:]); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// read counts commits and discards the rest.
func (w *worker) read(ctx context.Context) error {
	r, err := w.replicate(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	told := time.Now()
	for commits := 0; commits < w.Transactions; {
		message, err := r.next()
		if err != nil {
			return err
		}
		if message[0] != 'C' {
			continue
		}
		commits++
		if now := time.Now(); now.Sub(told) > time.Second {
			told = now
			if err := r.status(); err != nil {
				return err
			}
		}
	}
	return w.done(nil)
}

// gathered reads a connection, once gather has been called, whose low-water mark
// keeps it asleep until many bytes have arrived, or a deadline has passed.
type gathered struct {
	from   io.Reader
	conn   net.Conn // nil before gather
	buffer []byte
	unread []byte
}

const (
	gatherMark = 64 << 10
	gatherTime = 2 * time.Millisecond
)

func (g *gathered) gather(conn net.Conn) error {
	if err := setLowWater(conn, gatherMark); err != nil {
		return fmt.Errorf("set low-water mark: %w", err)
	}
	g.conn, g.buffer = conn, make([]byte, 4*gatherMark)
	return conn.SetReadDeadline(time.Now().Add(gatherTime))
}

// Read implements [io.Reader].
func (g *gathered) Read(p []byte) (int, error) {
	if g.conn == nil {
		return g.from.Read(p)
	}
	for len(g.unread) == 0 {
		n, err := g.from.Read(g.buffer)
		g.unread = g.buffer[:n]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = g.conn.SetReadDeadline(time.Now().Add(gatherTime))
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}
