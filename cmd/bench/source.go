package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc/setup"
	"changefeed/internal/localpg"
	"changefeed/sql"
	"changefeed/state"
)

// serverSettings keep out of the figures what is not the publisher's and comes
// when it likes.
var serverSettings = map[string]string{
	"shared_buffers":     "256MB",
	"max_wal_size":       "16GB",
	"checkpoint_timeout": "1h",
	"autovacuum":         "off",
}

// template is the slot that all others of a workload are copied from.
const template = "bench_template"

// source is the database of one workload, with its backlog.
type source struct {
	server       *localpg.Server
	database     string
	workload     *workload
	publications string // as START_REPLICATION takes them
	slots        int    // that were made
	conn         *pgx.Conn
}

// prepare makes the database of a workload, with publication and template slot.
// Drop it.
func (b *bench) prepare(ctx context.Context, w *workload) (s *source, err error) {
	s = &source{server: b.server, database: strings.ReplaceAll("bench_"+w.name, "-", "_"), workload: w}
	if err := b.server.CreateDatabase(ctx, s.database); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.drop(context.WithoutCancel(ctx)))
		}
	}()
	if s.conn, err = pgx.Connect(ctx, b.server.DSN(s.database)); err != nil {
		return nil, fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	if _, err := s.conn.Exec(ctx, w.schema); err != nil {
		return nil, fmt.Errorf("make tables of workload %s: %w", w.name, err)
	}
	return s, s.publish(ctx, b)
}

// publish sets the database up as init does.
func (s *source) publish(ctx context.Context, b *bench) error {
	all, err := s.workload.configuration("bench", s.dsn(socketUnix), template, "127.0.0.1:1")
	if err != nil {
		return err
	}
	cfg, err := all.Publisher(0)
	if err != nil {
		return err
	}
	if _, err := state.Migrate(ctx, s.conn, sql.State()); err != nil {
		return fmt.Errorf("set up workload %s: %w", s.workload.name, err)
	}
	steps, err := setup.Plan(ctx, s.conn, cfg)
	if err == nil {
		err = setup.Apply(ctx, s.conn, steps, b.Log)
	}
	if err != nil {
		return fmt.Errorf("set up workload %s: %w", s.workload.name, err)
	}
	var names []string
	for _, p := range cfg.Publications() {
		names = append(names, p.Name)
	}
	s.publications = strings.Join(names, ",")
	return nil
}

func (s *source) dsn(socket string) string {
	if socket == socketTCP {
		return s.server.TCPDSN(s.database)
	}
	return s.server.DSN(s.database)
}

// load makes the backlog of so many transactions. It commits as fast as it can:
// what a commit costs the writer is not what is measured.
func (s *source) load(ctx context.Context, transactions, rows int) error {
	procedure := `
CREATE PROCEDURE load(transactions bigint, per bigint) LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
	last bigint;
BEGIN
	FOR t IN 1..transactions LOOP
		first := (t - 1) * per + 1;
		last := t * per;
		` + s.workload.insert + `;
		COMMIT;
	END LOOP;
END $$;
SET synchronous_commit = off;`
	if _, err := s.conn.Exec(ctx, procedure); err != nil {
		return fmt.Errorf("load workload %s: %w", s.workload.name, err)
	}
	if _, err := s.conn.Exec(ctx, fmt.Sprintf("CALL load(%d, %d)", transactions, rows/transactions)); err != nil {
		return fmt.Errorf("load workload %s: %w", s.workload.name, err)
	}
	// The log of commits that nobody waited for, and pages in memory, are written
	// now rather than while something is measured.
	if _, err := s.conn.Exec(ctx, "SET synchronous_commit = on; CHECKPOINT"); err != nil {
		return fmt.Errorf("load workload %s: %w", s.workload.name, err)
	}
	return nil
}

// slot makes a slot for one worker: a copy of the template, or one that begins
// now. drop removes it.
func (s *source) slot(ctx context.Context, backlog bool) (name string, drop func() error, err error) {
	s.slots++
	name = fmt.Sprintf("bench_%d", s.slots)
	sql := "SELECT pg_create_logical_replication_slot($1, 'pgoutput')"
	args := []any{name}
	if backlog {
		sql = "SELECT pg_copy_logical_replication_slot($2, $1)"
		args = append(args, template)
	}
	if _, err := s.conn.Exec(ctx, sql, args...); err != nil {
		return "", nil, fmt.Errorf("make slot: %w", err)
	}
	return name, func() error {
		_, err := s.conn.Exec(context.WithoutCancel(ctx), dropSlot, name)
		if err != nil {
			return fmt.Errorf("drop slot: %w", err)
		}
		return nil
	}, nil
}

// dropSlot waits for a walsender that has not noticed yet that its worker ended.
const dropSlot = `
SELECT pg_drop_replication_slot(slot_name) FROM (
	SELECT slot_name, active_pid IS NULL OR pg_terminate_backend(active_pid, 10000) AS free
	FROM pg_replication_slots WHERE slot_name = $1
) AS s WHERE free`

// drop removes the database, its slots and their log.
func (s *source) drop(ctx context.Context) error {
	var err error
	if s.conn != nil {
		err = s.conn.Close(ctx)
	}
	if err := errors.Join(err, s.server.DropDatabase(ctx, s.database)); err != nil {
		return err
	}
	return nil
}
