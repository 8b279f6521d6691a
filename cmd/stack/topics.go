package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// CreatedTopic is a topic that has been made, or would be.
type CreatedTopic struct {
	Name        string `json:"topic"`
	Partitions  int    `json:"partitions"`
	Replication int    `json:"replication"`
}

// CreateTopics makes those of the topics that do not exist, as configured, and
// returns what it made. An existing topic is left as it is.
func (s *Stack) CreateTopics(ctx context.Context, names []string) ([]CreatedTopic, error) {
	adm, err := s.Admin()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	missing, err := missingTopics(ctx, adm, names)
	if err != nil {
		return nil, err
	}
	var made []CreatedTopic
	var faults []error
	for _, name := range missing {
		t := s.Config.Topic(name, len(brokers))
		_, err := adm.CreateTopic(ctx, int32(t.Partitions), int16(t.Replication), topicSettings(t.Replication), name)
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists): // another init was faster
		case err != nil:
			faults = append(faults, fmt.Errorf("create topic %s with %d partitions, replication %d: %w", name, t.Partitions, t.Replication, err))
		default:
			made = append(made, CreatedTopic{Name: name, Partitions: t.Partitions, Replication: t.Replication})
		}
	}
	return made, errors.Join(faults...)
}

// topicSettings keeps an acknowledged record on two brokers where there are
// three copies.
func topicSettings(replication int) map[string]*string {
	if replication < 3 {
		return nil
	}
	two := "2"
	return map[string]*string{"min.insync.replicas": &two}
}

// ErrMissingTopics is wrapped by RequireTopics.
var ErrMissingTopics = errors.New("topics are missing")

// RequireTopics returns an error where a topic does not exist.
func (s *Stack) RequireTopics(ctx context.Context, names []string) error {
	adm, err := s.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	missing, err := missingTopics(ctx, adm, names)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s: create them with \"changefeed init\" or \"changefeed topics create\"", ErrMissingTopics, strings.Join(missing, ", "))
	}
	return nil
}

// topicsGrace is how long a topic may be unknown to a broker that answers: one
// that has just been started does not know all of its topics at once.
const topicsGrace = 5 * time.Second

// awaitTopics is RequireTopics, but looks again for a while.
func (s *Stack) awaitTopics(ctx context.Context, names []string) error {
	again := time.NewTicker(tryPause)
	defer again.Stop()
	for deadline := time.Now().Add(topicsGrace); ; {
		err := s.RequireTopics(ctx, names)
		if !errors.Is(err, ErrMissingTopics) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func missingTopics(ctx context.Context, adm *kadm.Client, names []string) ([]string, error) {
	have, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(names), have.Has), nil
}
