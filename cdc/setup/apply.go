package setup

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/cdc/internal/sqlstate"
)

// Apply runs the steps, each once the one before is done, and logs them. A step
// that could not get a lock is tried again, for about a minute in all. Where it
// ends early, what is done stays, and Plan finds the rest.
//
// A step can wait for transactions of others without end; ending ctx ends that,
// and takes a half-made slot back if the connection is one of Connect.
func Apply(ctx context.Context, conn *pgx.Conn, steps Steps, log *slog.Logger) error {
	a := &applier{conn: conn, log: log, attempts: 20, pause: 2 * time.Second, slow: 3 * time.Second}
	return a.apply(ctx, steps)
}

// applier runs steps.
type applier struct {
	conn     *pgx.Conn
	log      *slog.Logger
	attempts int           // at a step that waits for a lock
	pause    time.Duration // between attempts
	slow     time.Duration // after which a step is said to be still running
}

func (a *applier) apply(ctx context.Context, steps Steps) error {
	if len(steps) == 0 {
		return nil
	}
	if err := execAll(ctx, a.conn, unlimited); err != nil {
		return err
	}
	for i := range steps {
		s := &steps[i]
		a.log.InfoContext(ctx, "setting up", "step", i+1, "of", len(steps), "why", s.Why)
		if s.Warning != "" {
			a.log.WarnContext(ctx, "setting up", "step", i+1, "note", s.Warning)
		}
		if err := a.persist(ctx, s); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
			}
			return fmt.Errorf("set up step %d of %d (%s): %w", i+1, len(steps), s.Why, explainSetup(err))
		}
	}
	return nil
}

// persist runs a step, again where a lock was held against it.
func (a *applier) persist(ctx context.Context, s *Step) error {
	for attempt := 1; ; attempt++ {
		err := a.run(ctx, s)
		if err == nil || s.Alone || !lockRefused(err) || attempt == a.attempts {
			return err
		}
		a.log.WarnContext(ctx, "the table is locked by others, trying again", "attempt", attempt, "of", a.attempts, "in", a.pause)
		select {
		case <-time.After(a.pause):
		case <-ctx.Done():
			return err
		}
	}
}

// run runs a step once, and says so while it takes long.
func (a *applier) run(ctx context.Context, s *Step) error {
	done := make(chan struct{})
	var notice sync.WaitGroup
	notice.Go(func() { a.notice(ctx, done) })
	defer notice.Wait()
	defer close(done)
	if s.Alone {
		return execAll(ctx, a.conn, s.SQL)
	}
	return pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error { return execAll(ctx, tx, s.SQL) })
}

func (a *applier) notice(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(a.slow)
	defer ticker.Stop()
	start := time.Now()
	for {
		select {
		case <-ticker.C:
			a.log.InfoContext(ctx, "still setting up: the server waits for open transactions of others, or is building an index",
				"since", time.Since(start).Round(time.Millisecond), "waits_for_pids", a.blockers(ctx),
				"see", "SELECT pid, xact_start, state, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start")
		case <-done:
			return
		}
	}
}

// blockers returns the processes that the running step waits for now, as far as
// that can be found out; 0 is a prepared transaction.
func (a *applier) blockers(ctx context.Context) []int32 {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	aside, err := pgx.ConnectConfig(ctx, a.conn.Config())
	if err != nil {
		return nil
	}
	defer aside.Close(ctx)
	var pids []int32
	if err := aside.QueryRow(ctx, "SELECT pg_blocking_pids($1)", a.conn.PgConn().PID()).Scan(&pids); err != nil {
		return nil
	}
	return pids
}

// unlimited lifts what roles and databases are often limited to: building an
// index takes its time, and nobody waits behind it.
var unlimited = []string{"SET statement_timeout = 0", "SET lock_timeout = 0"}

// executor is a connection or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func execAll(ctx context.Context, on executor, statements []string) error {
	for _, sql := range statements {
		if _, err := on.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func lockRefused(err error) bool {
	code := sqlstate.Of(err)
	return code == sqlstate.LockNotAvailable || code == sqlstate.Deadlock
}

// explainSetup adds what to do about an error.
func explainSetup(err error) error {
	var advice string
	switch sqlstate.Of(err) {
	case sqlstate.LockNotAvailable, sqlstate.Deadlock:
		advice = "other transactions held the table for too long: end them (SELECT pid, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start), or choose a quieter time"
	case sqlstate.Privilege:
		advice = "the role lacks a right: give the tables' owner, with CREATE on the database and REPLICATION, what `" + initCommand + " --dry-run` prints"
	case sqlstate.DuplicateObject, sqlstate.DuplicateTable, sqlstate.UndefinedObject, sqlstate.UndefinedTable, sqlstate.UndefinedColumn:
		advice = "the database was changed meanwhile, or the name is taken: run `" + initCommand + "` again"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}
