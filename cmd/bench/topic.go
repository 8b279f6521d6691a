package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/cmd/config"
)

// withBroker runs a new broker, with the empty topic, in a process of its own
// while work is done.
func (b *bench) withBroker(ctx context.Context, work func(address string) error) (err error) {
	dir, err := os.MkdirTemp("", "changefeed-bench-")
	if err != nil {
		return fmt.Errorf("make directory of the broker: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	j := job{Kind: jobBroker, Dir: dir}
	if b.Profiles != "" {
		j.Profile = b.Profiles + "/broker"
	}
	p, err := b.start(ctx, j)
	if err != nil {
		return err
	}
	o, err := p.next()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if err := admin(o.Address, func(adm *kadm.Client) error {
		_, err := adm.CreateTopic(ctx, config.DefaultPartitions, 1, nil, topic)
		return err
	}); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	return work(o.Address)
}

func admin(address string, work func(*kadm.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	return work(kadm.NewClient(client))
}

// wantRecords counts the records on the topic.
func (b *bench) wantRecords(ctx context.Context, address string, want int) error {
	var have int64
	err := admin(address, func(adm *kadm.Client) error {
		ends, err := adm.ListEndOffsets(ctx, topic)
		if err != nil {
			return err
		}
		ends.Each(func(o kadm.ListedOffset) { have += o.Offset })
		return ends.Error()
	})
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	if have != int64(want) {
		return fmt.Errorf("the topic has %d records, want %d", have, want)
	}
	return nil
}
