package stack

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/setup"
)

// Init makes what is missing: replica identities, publications and slots of all
// sources, then the topics. It can be run again at any time.
func (s *Stack) Init(ctx context.Context) error {
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
		if err := setup.Apply(ctx, conn, steps, log); err != nil {
			return err
		}
		log.Info("source is set up", "steps", len(steps))
		return nil
	})
}

// Intent returns what Init would do, as steps on sources and as topics, which are
// made where they do not exist. It changes nothing and needs no broker.
func (s *Stack) Intent(ctx context.Context) (map[string]setup.Steps, []CreatedTopic, error) {
	plans := make(map[string]setup.Steps)
	for i := range s.Config.Postgres {
		err := s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) (err error) {
			plans[cfg.Source], err = setup.Plan(ctx, conn, cfg)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	const brokers = 3 // enough for the replication that is wanted
	var topics []CreatedTopic
	for _, name := range s.Config.TopicNames() {
		t := s.Config.Topic(name, brokers)
		topics = append(topics, CreatedTopic{Name: name, Partitions: t.Partitions, Replication: t.Replication})
	}
	return plans, topics, nil
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
