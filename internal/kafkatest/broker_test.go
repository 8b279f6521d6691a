package kafkatest_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/internal/kafkatest"
)

// What was acknowledged is there after a kill, and after a stop.
func TestRecordsOutliveTheBroker(t *testing.T) {
	b := kafkatest.New(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.DefaultProduceTopic("t"), kgo.RecordDeliveryTimeout(time.Minute), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	produce := func() error {
		return client.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr()
	}
	for i, end := range []func(){b.Kill, b.Stop, func() {}} {
		if err := produce(); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		end()
		b.Start()
	}
	offsets, err := admin.ListEndOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := offsets.Lookup("t", 0); got.Offset != 3 {
		t.Errorf("%d records, want 3", got.Offset)
	}

	b.Suspend()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx); err == nil {
		t.Error("a suspended broker has answered")
	}
	b.Resume()
	if err := produce(); err != nil {
		t.Errorf("after Resume: %v", err)
	}
}
