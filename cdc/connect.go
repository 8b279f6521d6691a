package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"changefeed"
)

const (
	// connectTimeout is how long one attempt to connect may take, unless the
	// connection string says it: short enough to say in time that the server
	// cannot be reached.
	connectTimeout = 4 * time.Second
	// commandTimeout bounds the commands before the stream begins.
	commandTimeout = 30 * time.Second
	// standbyInterval is the time between two attempts to get a slot that is in
	// use.
	standbyInterval = 250 * time.Millisecond
)

// connect opens a connection: for replication, where SQL can be run as well, or
// an ordinary one.
func (s *session) connect(ctx context.Context, replication bool) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(s.cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Source, dsnError(err))
	}
	maps.Copy(cfg.RuntimeParams, changefeed.TextSettings())
	cfg.RuntimeParams["application_name"] = "changefeed " + s.cfg.Source
	if replication {
		cfg.RuntimeParams["replication"] = "database"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.DialFunc = s.deps.Dial
	if cfg.DialFunc == nil {
		cfg.DialFunc = (&net.Dialer{Control: limitUnanswered}).DialContext
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(fmt.Errorf("connect to source %s: %w", s.cfg.Source, err))
	}
	return conn, nil
}

// connectError tells errors that pass from those that stop the publisher, which
// get their remedy.
func connectError(err error) error {
	if Passes(err) {
		return serverLost(err)
	}
	return explainConnect(err)
}

// query runs SQL that returns rows of texts.
func query(ctx context.Context, conn *pgconn.PgConn, sql string) ([][][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, connectError(fmt.Errorf("query source: %w", err))
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("query source: %d results", len(results))
	}
	return results[0].Rows, nil
}

// queryAside runs SQL on a connection of its own, while the replication
// connection is streaming.
func (s *session) queryAside(ctx context.Context, sql string) ([][][]byte, error) {
	conn, err := s.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return query(ctx, conn, sql)
}

const nextXIDSQL = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"

// nextXID reads the server's next transaction id.
func (s *session) nextXID(ctx context.Context) (uint64, error) {
	rows, err := s.queryAside(ctx, nextXIDSQL)
	if err != nil {
		return 0, err
	}
	return parseXID(rows)
}

func parseXID(rows [][][]byte) (uint64, error) {
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, errors.New("read next transaction id: no answer")
	}
	xid, err := strconv.ParseUint(string(rows[0][0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read next transaction id: %w", err)
	}
	return xid, nil
}

// ancestorsSQL lists, for each partition, the tables that it is a part of, the
// nearest first.
const ancestorsSQL = `SELECT part.oid, namespace.nspname, ancestor.relname
FROM pg_catalog.pg_class AS part
CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(part.oid) WITH ORDINALITY AS line(relid, distance)
JOIN pg_catalog.pg_class AS ancestor ON ancestor.oid = line.relid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = ancestor.relnamespace
WHERE part.relispartition AND line.relid <> part.oid
ORDER BY part.oid, line.distance`

func parseAncestors(rows [][][]byte) (map[uint32][]TableName, error) {
	ancestors := make(map[uint32][]TableName)
	for _, row := range rows {
		oid, err := strconv.ParseUint(string(row[0]), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read partitions: %w", err)
		}
		ancestors[uint32(oid)] = append(ancestors[uint32(oid)], TableName{Schema: string(row[1]), Name: string(row[2])})
	}
	return ancestors, nil
}

// ancestorsOf returns the partitioned tables that a table is a part of. One that
// is not known may have been attached since they were last read.
func (s *session) ancestorsOf(ctx context.Context, oid uint32) ([]TableName, error) {
	if s.ancestors[oid] == nil {
		rows, err := s.queryAside(ctx, ancestorsSQL)
		if err != nil {
			return nil, err
		}
		if s.ancestors, err = parseAncestors(rows); err != nil {
			return nil, err
		}
	}
	return s.ancestors[oid], nil
}

// inspect reads what the session has to know before it streams, and refuses
// where a publication is missing.
func (s *session) inspect(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, nextXIDSQL)
	if err != nil {
		return err
	}
	xid, err := parseXID(rows)
	if err != nil {
		return err
	}
	s.xids.set(xid)
	if rows, err = query(ctx, conn, ancestorsSQL); err != nil {
		return err
	}
	if s.ancestors, err = parseAncestors(rows); err != nil {
		return err
	}
	if err := s.checkPublications(ctx, conn); err != nil {
		return err
	}
	return s.checkTimeout(ctx, conn)
}

// checkPublications looks for each publication. From version 18 on the server
// itself would only warn, and leave rows out.
func (s *session) checkPublications(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, "SELECT pubname FROM pg_catalog.pg_publication")
	if err != nil {
		return err
	}
	have := make(map[string]bool)
	for _, row := range rows {
		have[string(row[0])] = true
	}
	var missing []string
	for _, name := range s.publications {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("start replication: %w: %s: create it with \"changefeed init\"; "+
			"one that was dropped needs a new slot too (\"changefeed deinit\", \"changefeed init\") and \"changefeed reconcile\"",
			ErrPublicationMissing, strings.Join(missing, ", "))
	}
	return nil
}

// checkTimeout warns where the server would take the publisher for dead between
// two of its status updates.
func (s *session) checkTimeout(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'")
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return nil
	}
	milliseconds, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
	if err != nil {
		return fmt.Errorf("read wal_sender_timeout: %w", err)
	}
	timeout := time.Duration(milliseconds) * time.Millisecond
	if timeout > 0 && s.cfg.StatusInterval > timeout/3 {
		s.log.Warn("wal_sender_timeout is too short for the status interval: raise it to three times the interval or more",
			"wal_sender_timeout", timeout, "status_interval", s.cfg.StatusInterval)
	}
	return nil
}

// claim starts replication where the server says that the slot has come to. It
// waits while another process reads the slot.
func (s *session) claim(ctx context.Context, conn *pgconn.PgConn) error {
	for {
		err := s.startReplication(ctx, conn)
		switch {
		case err == nil:
			return nil
		case sqlState(err) != codeObjectInUse:
			if err = explainStart(err, s.cfg.Slot); Passes(err) {
				return serverLost(err)
			}
			return err
		}
		pid, err := s.holder(ctx, conn)
		if err != nil {
			return err
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
	if sqlState(startErr) == "" || conn.IsClosed() {
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
