package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"changefeed/cdc/setup"
	"changefeed/pillows/table"
)

// Check examines every configured part and changes nothing. What it finds about
// each is in the findings, with what to do; what it could not examine, such as a
// server that cannot be reached, is in the error.
func (s *Stack) Check(ctx context.Context) ([]setup.Finding, error) {
	var found []setup.Finding
	var failures []error
	for i := range s.Config.Postgres {
		report, err := s.Preflight(ctx, i)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		for _, f := range report.Findings {
			f.Subject = "source " + s.Config.Postgres[i].Name + ": " + f.Subject
			found = append(found, f)
		}
		functions, err := s.checkFunctions(ctx, i)
		found, failures = append(found, functions...), append(failures, err)
	}
	remembered, err := s.checkState(ctx)
	found, failures = append(found, remembered...), append(failures, err)
	topics, err := s.checkTopics(ctx)
	found, failures = append(found, topics...), append(failures, err)
	for i := range s.Config.Pillows {
		tables, err := s.checkPillow(ctx, i)
		found, failures = append(found, tables...), append(failures, err)
	}
	return found, errors.Join(failures...)
}

// checkTopics looks for topics that are missing or kept carelessly.
func (s *Stack) checkTopics(ctx context.Context) ([]setup.Finding, error) {
	var found []setup.Finding
	if s.Config.Embedded() {
		f := setup.Finding{
			Severity: setup.Info, Subject: "broker",
			Problem: "kafka.brokers is not set: the embedded broker is used, one process without replication, in " + s.Config.DataDir,
		}
		if err := s.RequireBroker(); err != nil {
			f.Problem += "; it does not run now, so that its topics were not looked at"
			return []setup.Finding{f}, nil
		}
		found = append(found, f)
	}
	if err := s.FindBrokers(ctx); err != nil {
		return nil, err
	}
	adm, err := s.Admin()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	for _, name := range s.Config.TopicNames() {
		if f, bad := examineTopic(name, topics, len(brokers)); bad {
			found = append(found, f)
		}
	}
	return found, nil
}

func examineTopic(name string, topics kadm.TopicDetails, brokers int) (setup.Finding, bool) {
	f := setup.Finding{Subject: "topic " + name}
	switch {
	case !topics.Has(name):
		f.Severity, f.Problem = setup.Refuse, "it does not exist"
		f.Remedies = []setup.Remedy{{Text: "create it", Command: "changefeed init"}}
	case brokers >= 3 && topics[name].Partitions.NumReplicas() < 3:
		f.Severity = setup.Warn
		f.Problem = fmt.Sprintf("%d brokers, but its partitions have %d replicas: losing a broker can lose acknowledged changes",
			brokers, topics[name].Partitions.NumReplicas())
		f.Remedies = []setup.Remedy{{Text: "raise its replication to 3 with kafka-reassign-partitions, and set min.insync.replicas=2"}}
	default:
		return f, false
	}
	return f, true
}

// checkPillow builds a pillow's processors and asks each whether it could work.
func (s *Stack) checkPillow(ctx context.Context, i int) ([]setup.Finding, error) {
	processors, err := s.processors(i)
	if err != nil {
		return nil, err
	}
	name := s.Config.Pillows[i].Name
	var found []setup.Finding
	var failures []error
	for _, p := range processors {
		checker, ok := p.(interface{ Check(context.Context) error })
		if !ok {
			continue
		}
		switch err := checker.Check(ctx); {
		case errors.Is(err, table.ErrPreflight):
			found = append(found, setup.Finding{Severity: setup.Refuse, Subject: "pillow " + name + ": " + p.Name(), Problem: err.Error()})
		case err != nil:
			failures = append(failures, fmt.Errorf("pillow %s: %s: %w", name, p.Name(), err))
		}
	}
	return found, errors.Join(failures...)
}
