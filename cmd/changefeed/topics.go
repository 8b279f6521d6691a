package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"

	"changefeed"
	"changefeed/cmd/stack"
)

type topicsCommand struct {
	List   topicsListCommand   `cmd:"" help:"List the topics of the brokers."`
	Create topicsCreateCommand `cmd:"" help:"Create topics that do not exist."`
	Tail   topicsTailCommand   `cmd:"" help:"Print the changes of a topic as JSON lines."`
}

type topicsListCommand struct{}

type topicRow struct {
	Topic       string `json:"topic"`
	Partitions  int    `json:"partitions"`
	Replication int    `json:"replication"`
	Records     int64  `json:"records"`
	Configured  bool   `json:"configured"`
}

// Run lists the topics: those of the configuration are marked.
func (*topicsListCommand) Run(a *app) error {
	s, err := a.connected()
	if err != nil {
		return err
	}
	defer s.Close()
	adm, err := s.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	rows, err := topicRows(a, s, adm)
	if err != nil {
		return err
	}
	return printRows(a, []string{"topic", "partitions", "replication", "records", "configured"}, rows, func(r topicRow) []string {
		return []string{r.Topic, strconv.Itoa(r.Partitions), strconv.Itoa(r.Replication), strconv.FormatInt(r.Records, 10), yesNo(r.Configured)}
	})
}

func topicRows(a *app, s *stack.Stack, adm *kadm.Client) ([]topicRow, error) {
	topics, err := adm.ListTopics(a.ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	starts, err := adm.ListStartOffsets(a.ctx)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	ends, err := adm.ListEndOffsets(a.ctx)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	configured := s.Config.TopicNames()
	var rows []topicRow
	for _, t := range topics.Sorted() {
		row := topicRow{Topic: t.Topic, Partitions: len(t.Partitions), Replication: t.Partitions.NumReplicas(), Configured: slices.Contains(configured, t.Topic)}
		for _, p := range t.Partitions.Numbers() {
			end, _ := ends.Lookup(t.Topic, p)
			start, _ := starts.Lookup(t.Topic, p)
			row.Records += end.Offset - start.Offset
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type topicsCreateCommand struct {
	Topics []string `arg:"" help:"Topics to create; all that are configured without." name:"topic" optional:""`
}

// Run creates what is missing.
func (c *topicsCreateCommand) Run(a *app) error {
	for _, name := range c.Topics {
		if err := changefeed.ValidateTopic(name); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
	}
	s, err := a.connected()
	if err != nil {
		return err
	}
	defer s.Close()
	names := c.Topics
	if len(names) == 0 {
		names = s.Config.TopicNames()
	}
	made, err := s.CreateTopics(a.ctx, names)
	for _, t := range made {
		fmt.Fprintf(a.stdout, "created topic %s with %d partitions, replication %d\n", t.Name, t.Partitions, t.Replication)
	}
	if err == nil && len(made) == 0 {
		fmt.Fprintln(a.stdout, "nothing to create: every topic exists")
	}
	return err
}
