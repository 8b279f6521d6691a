package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

type topicsTailCommand struct {
	Topic  string `arg:"" help:"Topic to read."`
	From   string `default:"end" enum:"start,end" help:"Where to begin in each partition: start or end."`
	Limit  int    `help:"Stop after this many changes." placeholder:"N"`
	Follow bool   `default:"true" help:"Wait for more at the end (the default)." negatable:"" short:"f"`
}

// tailRow is what tail prints of a record: what is not a change has an error.
type tailRow struct {
	Partition int32              `json:"partition"`
	Offset    int64              `json:"offset"`
	Position  string             `json:"position,omitempty"`
	Version   changefeed.Version `json:"version,omitempty"`
	Change    *changefeed.Meta   `json:"change,omitempty"`
	Error     string             `json:"error,omitempty"`
}

// Run prints changes until it is asked to stop.
func (c *topicsTailCommand) Run(a *app) error {
	s, err := a.connected()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.RequireTopics(a.ctx, []string{c.Topic}); err != nil {
		return err
	}
	adm, err := s.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	ends, err := adm.ListEndOffsets(a.ctx, c.Topic)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	starts, err := adm.ListStartOffsets(a.ctx, c.Topic)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	from := ends
	if c.From == "start" {
		from = starts
	}
	// Control records are kept because the last record of a partition may be one.
	client, err := s.Client(kgo.ConsumePartitions(from.KOffsets()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	return c.print(a, client, unread(from, ends))
}

// unread returns the end of each partition that has records between two sets of
// offsets.
func unread(from, to kadm.ListedOffsets) map[int32]int64 {
	open := make(map[int32]int64)
	to.Each(func(end kadm.ListedOffset) {
		if start, ok := from.Lookup(end.Topic, end.Partition); ok && start.Offset < end.Offset {
			open[end.Partition] = end.Offset
		}
	})
	return open
}

// print writes records as they come. Without follow it stops when it has come to
// the ends of the partitions that are open.
func (c *topicsTailCommand) print(a *app, client *kgo.Client, open map[int32]int64) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	for c.Follow || len(open) > 0 {
		fetches := client.PollFetches(a.ctx)
		if a.ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", c.Topic, err)
		}
		for r := range fetches.RecordsAll() {
			if r.Offset+1 >= open[r.Partition] {
				delete(open, r.Partition)
			}
			if r.Attrs.IsControl() {
				continue
			}
			if err := encoder.Encode(tailed(r)); err != nil {
				return err
			}
			if c.Limit--; c.Limit == 0 {
				return nil
			}
		}
	}
	return nil
}

func tailed(r *kgo.Record) tailRow {
	row := tailRow{Partition: r.Partition, Offset: r.Offset}
	c, err := changefeed.ParseRecord(r)
	if err != nil {
		row.Error = err.Error()
		if errors.Is(err, changefeed.ErrMeta) {
			return row
		}
	}
	row.Change, row.Version = &c.Meta, c.Version
	if !c.Position.IsZero() {
		row.Position = c.Position.String()
	}
	return row
}
