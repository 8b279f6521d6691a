package cdc_test

import (
	"context"
	"log/slog"
	"os"
	"os/signal"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/cdc"
)

// A publisher of one table, until it is interrupted.
func ExamplePublisher_Run() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	openSink := func(acked changefeed.Acked) (cdc.Sink, error) {
		options := append(changefeed.ProducerOptions(), kgo.SeedBrokers("localhost:9092"))
		client, err := kgo.NewClient(options...)
		if err != nil {
			return nil, err
		}
		return changefeed.NewKafkaSink(client, acked), nil
	}
	publisher, err := cdc.New(cdc.Config{
		Source: "main",
		DSN:    "postgres://publisher@localhost/app",
		Tables: []cdc.Table{{
			Name:         cdc.TableName{Schema: "public", Name: "orders"},
			Topic:        "orders",
			DocumentID:   []string{"order_id"},
			DocumentType: cdc.Value{Constant: changefeed.NewText("Order")},
			Domain:       cdc.Value{Column: "tenant"},
			Deleted:      cdc.Condition{Column: "deleted_on", NotNull: true},
		}},
	}, cdc.Deps{OpenSink: openSink, Log: log})
	if err != nil {
		log.Error("publisher cannot be made", "error", err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := publisher.Run(ctx); err != nil {
		log.Error("publisher has stopped", "error", err)
	}
}
