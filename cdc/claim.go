package cdc

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed/cdc/internal/sqlstate"
)

// standbyInterval is the time between two looks at a slot that is in use.
const standbyInterval = 250 * time.Millisecond

// takeSlot starts replication where the server says that the slot has come to. It
// waits while another process reads the slot.
func (s *session) takeSlot(ctx context.Context, conn *pgconn.PgConn) error {
	for {
		if err := s.identify(ctx, conn); err != nil {
			return err
		}
		err := s.startReplication(ctx, conn)
		switch {
		case err == nil:
			return nil
		case sqlstate.Of(err) != sqlstate.ObjectInUse:
			if lost := s.explainLoss(ctx, conn, err); lost != nil {
				return lost
			}
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
		Mode:       pglogrepl.LogicalReplication,
		PluginArgs: pluginOptions(s.publications, conn.ParameterStatus("server_version")),
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

// pluginOptions are what the server is asked for. Logical messages are sent by
// version 14 and later; an older server refuses the option.
func pluginOptions(publications []string, serverVersion string) []string {
	const firstWithMessages = 14
	options := []string{
		"proto_version '1'",
		`publication_names '"` + strings.Join(publications, `","`) + `"'`,
	}
	if majorVersion(serverVersion) >= firstWithMessages {
		options = append(options, "messages 'true'")
	}
	return options
}

// majorVersion reads the number that a server's version begins with, as in
// "15.3 (Debian 15.3-0)" and "18beta1", 0 where there is none.
func majorVersion(serverVersion string) int {
	end := 0
	for end < len(serverVersion) && serverVersion[end] >= '0' && serverVersion[end] <= '9' {
		end++
	}
	major, err := strconv.Atoi(serverVersion[:end])
	if err != nil {
		return 0
	}
	return major
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
