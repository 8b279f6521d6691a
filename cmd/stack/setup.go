package stack

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/sql"
	"changefeed/state"
)

// Init makes what is missing: the tables of the state, then functions, replica
// identities, publications and slots of all sources, then the topics. It can be
// run again at any time.
func (s *Stack) Init(ctx context.Context) error {
	if len(s.Config.Postgres) > 0 {
		// Before any slot, which holds the log for a publisher that cannot start.
		if err := s.initState(ctx); err != nil {
			return err
		}
	}
	for i := range s.Config.Postgres {
		if err := s.initSource(ctx, i); err != nil {
			return err
		}
	}
	return s.withAnyBroker(ctx, func(ctx context.Context) error {
		made, err := s.CreateTopics(ctx, s.Config.TopicNames())
		for _, t := range made {
			s.Log.Info("topic created", "topic", t.Name, "partitions", t.Partitions, "replication", t.Replication)
		}
		return err
	})
}

func (s *Stack) initSource(ctx context.Context, i int) error {
	err := s.await(ctx, "server of source "+s.Config.Postgres[i].Name, func(ctx context.Context) error {
		return s.onSource(ctx, i, func(*pgx.Conn, cdc.Config) error { return nil })
	}, cdc.Passes)
	if err != nil {
		return err
	}
	return s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) error {
		steps, err := setup.Plan(ctx, conn, cfg)
		if err != nil {
			return err
		}
		log := s.Log.With("source", cfg.Source)
		if err := s.initFunctions(ctx, conn, log); err != nil {
			return err
		}
		if err := setup.Apply(ctx, conn, steps, log); err != nil {
			return err
		}
		log.Info("source is set up", "steps", len(steps))
		return nil
	})
}

// initFunctions makes the SQL functions for the applications of a source.
func (s *Stack) initFunctions(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	done, err := state.Migrate(ctx, conn, sql.Source())
	for _, m := range done {
		log.Info("source migrated", "migration", m.Number, "name", m.Name)
	}
	return asRefusal("functions", err)
}

// checkFunctions looks for the SQL functions of source i. Publishing does without.
func (s *Stack) checkFunctions(ctx context.Context, i int) (found []setup.Finding, err error) {
	subject := "source " + s.Config.Postgres[i].Name + ": functions"
	err = s.onSource(ctx, i, func(conn *pgx.Conn, _ cdc.Config) error {
		pending, err := state.Pending(ctx, conn, sql.Source())
		if f, faulty := schemaFinding(setup.Warn, subject, err); faulty {
			found = append(found, f)
			return nil
		}
		if len(pending) > 0 {
			found = append(found, setup.Finding{
				Severity: setup.Warn, Subject: subject,
				Problem:  "changefeed.publish and changefeed.suppress, which applications can call, are missing or of an older version",
				Remedies: []setup.Remedy{{Text: "make them", Command: "changefeed init"}},
			})
		}
		return err
	})
	return found, err
}

// Intent is what Init would do.
type Intent struct {
	Sources map[string]setup.Steps // by source
	State   setup.Steps
	Topics  []CreatedTopic // those that do not exist are made
}

// Intent returns what Init would do. It changes nothing and needs no broker.
func (s *Stack) Intent(ctx context.Context) (*Intent, error) {
	intent := &Intent{Sources: make(map[string]setup.Steps)}
	for i := range s.Config.Postgres {
		err := s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) (err error) {
			intent.Sources[cfg.Source], err = s.sourceSteps(ctx, conn, cfg)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(s.Config.Postgres) > 0 {
		steps, err := s.stateSteps(ctx)
		if err != nil {
			return nil, err
		}
		intent.State = steps
	}
	const brokers = 3 // enough for the replication that is wanted
	for _, name := range s.Config.TopicNames() {
		t := s.Config.Topic(name, brokers)
		intent.Topics = append(intent.Topics, CreatedTopic{Name: name, Partitions: t.Partitions, Replication: t.Replication})
	}
	return intent, nil
}

// sourceSteps returns what initSource would do.
func (s *Stack) sourceSteps(ctx context.Context, conn *pgx.Conn, cfg cdc.Config) (setup.Steps, error) {
	plan, err := setup.Plan(ctx, conn, cfg)
	if err != nil {
		return nil, err
	}
	pending, err := state.Pending(ctx, conn, sql.Source())
	if err != nil {
		return nil, asRefusal("functions", err)
	}
	functions := migrationSteps(sql.Source(), pending, "make the functions that applications can call")
	return append(functions, plan...), nil
}

// Preflight returns what stands against publishing source i.
func (s *Stack) Preflight(ctx context.Context, i int) (report setup.Report, err error) {
	err = s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) error {
		report, err = setup.Preflight(ctx, conn, cfg)
		return err
	})
	return report, err
}

// requirePreflight waits for the server of source i and returns what stands
// against publishing from it. What does not is logged.
func (s *Stack) requirePreflight(ctx context.Context, i int) error {
	name := s.Config.Postgres[i].Name
	var report setup.Report
	err := s.await(ctx, "server of source "+name, func(ctx context.Context) (err error) {
		report, err = s.Preflight(ctx, i)
		return err
	}, cdc.Passes)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Severity == setup.Warn {
			s.Log.Warn("preflight", "source", name, "subject", f.Subject, "problem", f.Problem)
		}
	}
	return report.Err()
}

// onSource runs work on a connection of its own to source i.
func (s *Stack) onSource(ctx context.Context, i int, work func(*pgx.Conn, cdc.Config) error) error {
	cfg, err := s.Config.Publisher(i)
	if err != nil {
		return err
	}
	conn, err := setup.Connect(ctx, cfg.DSN)
	if err != nil {
		return fmt.Errorf("source %s: %w", cfg.Source, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := work(conn, cfg); err != nil {
		return fmt.Errorf("source %s: %w", cfg.Source, err)
	}
	return nil
}
