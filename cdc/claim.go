package cdc

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/cdc/internal/sqlstate"
)

// standbyInterval is the time between two looks at a slot that is in use.
const standbyInterval = 250 * time.Millisecond

// claim starts replication where the server says that the slot has come to. It
// waits while another process reads the slot.
func (s *session) claim(ctx context.Context, conn *pgconn.PgConn) error {
	for {
		err := s.startReplication(ctx, conn)
		switch {
		case err == nil:
			return nil
		case sqlstate.Of(err) != sqlstate.ObjectInUse:
			if err = explainStart(err, s.cfg.Slot); Passes(err) {
				return serverLost(err)
			}
			return err
		}
		if err := s.awaitSlot(ctx, conn); err != nil {
			return err
		}
	}
}

// awaitSlot waits, at least for an interval, until nobody reads the slot. It
// only looks: each refused attempt to read it would be an error in the server's
// log.
func (s *session) awaitSlot(ctx context.Context, conn *pgconn.PgConn) error {
	for looks := 0; ; looks++ {
		pid, err := s.holder(ctx, conn)
		if err != nil {
			return err
		}
		if pid == "" && looks > 0 {
			return nil
		}
		if err := s.standBy(ctx, pid); err != nil {
			return err
		}
	}
}

func (s *session) startReplication(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	const atConfirmedFlush = 0
	startErr := pglogrepl.StartReplication(ctx, conn, s.cfg.Slot, atConfirmedFlush, pglogrepl.StartReplicationOptions{
		Mode: pglogrepl.LogicalReplication,
		PluginArgs: []string{
			"proto_version '1'",
			`publication_names '"` + strings.Join(s.publications, `","`) + `"'`,
		},
	})
	if sqlstate.Of(startErr) == "" || conn.IsClosed() {
		return startErr
	}
	for { // the connection can be used again once the server is ready
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		if _, ready := message.(*pgproto3.ReadyForQuery); ready {
			return startErr
		}
	}
}

// holder returns the process that reads the slot, "" where there is none any
// more.
func (s *session) holder(ctx context.Context, conn *pgconn.PgConn) (pid string, err error) {
	rows, err := query(ctx, conn, "SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE slot_name = '"+s.cfg.Slot+"'")
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return string(rows[0][0]), nil
}
