package pillows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// PartitionStatus is the state of one partition of a pillow as Kafka alone tells
// it, whichever process has the partition.
type PartitionStatus struct {
	Pillow    string `json:"pillow"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Owner is the client id and the host of the member that has the partition,
	// as in changefeed/127.0.0.1, or empty.
	Owner string `json:"owner"`
	// NextOffset is the committed offset, or the first one of the partition where
	// nothing has been committed. EndOffset is the high watermark.
	NextOffset int64 `json:"next_offset"`
	EndOffset  int64 `json:"end_offset"`
	Lag        int64 `json:"lag"`
	// LagSeconds is the age of the next record to be read: 0 without a lag, nil
	// where the record could not be looked at.
	LagSeconds *float64 `json:"lag_s"`
	Counts
	// State is that of the last commit, or Stopped or Moving without an owner.
	State State `json:"state"`
	// Since and Reason are of a pillow that was waiting at its last commit. Either
	// may be missing: the metadata of an offset is text that anybody can write.
	Since  *time.Time `json:"since,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// List returns the state of a pillow's partitions, by topic and number. Topics
// that do not exist are errors beside the partitions of the others.
func List(ctx context.Context, client *kgo.Client, c Config) ([]PartitionStatus, error) {
	c = c.WithDefaults()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, c.Topics...)
	if err != nil {
		return nil, fmt.Errorf("list pillow %s: list topics: %w", c.Name, err)
	}
	starts, errStarts := admin.ListStartOffsets(ctx, c.Topics...)
	ends, errEnds := admin.ListEndOffsets(ctx, c.Topics...)
	commits, errCommits := admin.FetchOffsets(ctx, c.Group)
	if errors.Is(errCommits, kerr.GroupIDNotFound) {
		errCommits = nil // the pillow has never run
	}
	owners, members, errOwners := ownersOf(ctx, admin, c.Group)
	if err := errors.Join(errStarts, errEnds, errCommits, errOwners); err != nil {
		return nil, fmt.Errorf("list pillow %s: %w", c.Name, err)
	}
	var faults []error
	var list []PartitionStatus
	for _, name := range c.Topics {
		topic := topics[name]
		if topic.Err != nil {
			faults = append(faults, fmt.Errorf("list pillow %s: %w", c.Name, explainTopic(name, topic.Err)))
			continue
		}
		for number := range topic.Partitions {
			s := PartitionStatus{Pillow: c.Name, Topic: name, Partition: number, Owner: owners[partition{name, number}]}
			start, _ := starts.Lookup(name, number)
			end, _ := ends.Lookup(name, number)
			commit, _ := commits.Lookup(name, number)
			s.NextOffset, s.EndOffset = start.Offset, end.Offset
			if commit.Metadata != "" || commit.At > 0 {
				s.NextOffset = max(commit.At, 0)
			}
			s.Lag = max(s.EndOffset-s.NextOffset, 0)
			s.describe(commit.Metadata, members)
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b PartitionStatus) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	addAges(ctx, client, topics, list)
	return list, errors.Join(faults...)
}

// describe fills in what the metadata of a commit and the group tell.
func (s *PartitionStatus) describe(metadata string, members int) {
	p, err := ParseProgress(metadata)
	if err == nil {
		s.Counts, s.State, s.Reason = p.Counts, p.State, p.Reason
		if !p.Since.IsZero() {
			s.Since = &p.Since
		}
	} else {
		s.State = Running
	}
	switch {
	case members == 0:
		s.State = Stopped
	case s.Owner == "":
		s.State = Moving
	}
}

// ownersOf returns the member that has each partition, and how many there are.
func ownersOf(ctx context.Context, admin *kadm.Client, group string) (owners map[partition]string, members int, err error) {
	groups, err := admin.DescribeGroups(ctx, group)
	if err != nil {
		return nil, 0, fmt.Errorf("describe consumer group: %w", err)
	}
	g := groups[group]
	if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
		return nil, 0, fmt.Errorf("describe consumer group: %w", explainGroup(g.Err))
	}
	owners = make(map[partition]string)
	for i := range g.Members {
		m := &g.Members[i]
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			for _, number := range t.Partitions {
				owners[partition{t.Topic, number}] = m.ClientID + "/" + strings.TrimPrefix(m.ClientHost, "/")
			}
		}
	}
	return owners, len(g.Members), nil
}
