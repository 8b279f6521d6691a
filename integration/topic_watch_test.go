package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicWatch tells how many records a topic holds.
type topicWatch struct {
	*testing.T
	admin *kadm.Client
	topic string
}

func watchTopic(t *testing.T, address, topic string) *topicWatch {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &topicWatch{t, kadm.NewClient(client), topic}
}

func (w *topicWatch) records() (n int64) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), brokerSilence)
	defer cancel()
	ends, err := w.admin.ListEndOffsets(ctx, w.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		w.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// awaitMore waits until the topic holds more than n records. It looks without a
// pause: what it waits for is the first moment.
func (w *topicWatch) awaitMore(n int64) {
	w.Helper()
	for end := time.Now().Add(time.Minute); w.records() <= n; {
		if time.Now().After(end) {
			w.Fatalf("no more than %d records", n)
		}
	}
}
