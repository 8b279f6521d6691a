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
	client, err := s.Client(kgo.ConsumePartitions(from.KOffsets()))
	if err != nil {
		return err
	}
	defer client.Close()
	return c.print(a, client, remaining(from, ends))
}

// remaining counts the records between two sets of offsets.
func remaining(from, to kadm.ListedOffsets) (n int64) {
	to.Each(func(end kadm.ListedOffset) {
		if start, ok := from.Lookup(end.Topic, end.Partition); ok {
			n += end.Offset - start.Offset
		}
	})
	return n
}

// print writes records as they come. Without follow it stops after those that
// were there at the start.
func (c *topicsTailCommand) print(a *app, client *kgo.Client, there int64) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	for left := there; c.Follow || left > 0; {
		fetches := client.PollFetches(a.ctx)
		if a.ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", c.Topic, err)
		}
		for r := range fetches.RecordsAll() {
			if err := encoder.Encode(tailed(r)); err != nil {
				return err
			}
			left--
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
