package cdc

import (
	"context"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed"
	"changefeed/cdc/internal/advice"
)

const (
	// connectTimeout is how long one attempt to connect may take, unless the
	// connection string says it: short enough to say in time that the server
	// cannot be reached.
	connectTimeout = 4 * time.Second
	// commandTimeout bounds the commands before the stream begins.
	commandTimeout = 30 * time.Second
)

// newDialer makes TCP connections that find out in half a minute that the machine
// at the other end is gone, whether or not something is written.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Control:         limitUnanswered,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
}

// connect opens a connection: for replication, where SQL can be run as well, or
// an ordinary one.
func (s *session) connect(ctx context.Context, replication bool) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(s.cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.cfg.Source, advice.ConnectionString(err))
	}
	maps.Copy(cfg.RuntimeParams, changefeed.TextSettings())
	cfg.RuntimeParams["application_name"] = "changefeed " + s.cfg.Source
	if replication {
		cfg.RuntimeParams["replication"] = "database"
		cfg.BuildFrontend = s.inbound.frontend
		for name, value := range peerKeepalives() {
			if _, set := cfg.RuntimeParams[name]; !set {
				cfg.RuntimeParams[name] = value
			}
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.DialFunc = s.deps.Dial
	if cfg.DialFunc == nil {
		cfg.DialFunc = newDialer().DialContext
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(fmt.Errorf("connect to source %s: %w", s.cfg.Source, err))
	}
	return conn, nil
}

// peerKeepalives are settings with which the server notices within half a minute
// that the publisher's machine is gone, so that the slot is free for a stand-by,
// where nothing is on its way to it; else the server notices by wal_sender_timeout.
// They are of TCP, and do nothing on a Unix socket. tcp_user_timeout would be
// shorter, but it also ends the connection of a publisher that lives and does not
// read, because its sink is slow.
func peerKeepalives() map[string]string {
	return map[string]string{"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "3", "tcp_keepalives_count": "3"}
}

// connectError tells errors that pass from those that stop the publisher, which
// get their remedy.
func connectError(err error) error {
	if Passes(err) {
		return serverLost(err)
	}
	return advice.Connect(err)
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
