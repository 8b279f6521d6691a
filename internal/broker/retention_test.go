package broker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/internal/broker"
)

// Offsets that began again would lie before those that groups have committed:
// nobody would read the records there.
func TestOffsetsGoOnAfterEveryRecordHasExpired(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, dir string) // starts a broker, and ends it
	}{
		{"clean stop", func(t *testing.T, dir string) {
			_, stop := start(t, broker.Config{Dir: dir})
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		}},
		{"kill -9", func(t *testing.T, dir string) { startProcess(t, dir).kill(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := startProcess(t, dir)
			c := client(t, p.addr)
			createTopic(t, c, "orders", 1)
			for range 3 {
				old := &kgo.Record{Topic: "orders", Value: []byte("old"), Timestamp: time.Now().AddDate(0, 0, -8)}
				if err := c.ProduceSync(t.Context(), old).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			p.kill(t)
			tt.end(t, dir) // deletes the records
			tt.end(t, dir) // reads what the one before has left

			p = startProcess(t, dir)
			c = client(t, p.addr)
			if end := endOffset(t, c, "orders", 0); end != 3 {
				t.Errorf("the topic ends at %d, want 3", end)
			}
			produce(t, c, "orders", "new")
			p.kill(t)
			p = startProcess(t, dir)
			c = client(t, p.addr, kgo.ConsumeTopics("orders"))
			if diff := cmp.Diff([]string{"new"}, consume(t, c, 1)); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if end := endOffset(t, c, "orders", 0); end != 4 {
				t.Errorf("after another record, the topic ends at %d, want 4", end)
			}
		})
	}
}

// kfake goes by a snapshot only where it lists the segments that are there; a
// start takes all records into memory otherwise.
func TestStartAfterKill9HasASnapshotOfEveryPartition(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	c := client(t, p.addr)
	createTopic(t, c, "orders", 1)
	produce(t, c, "orders", "a", "b")
	p.kill(t)
	p = startProcess(t, dir)
	c = client(t, p.addr, kgo.ConsumeTopics("orders"))
	if diff := cmp.Diff([]string{"a", "b"}, consume(t, c, 2)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	partition := filepath.Join(dir, "broker", "partitions", "orders-0")
	text, err := os.ReadFile(filepath.Join(partition, "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(partition, "0.dat"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		End      int64 `json:"high_watermark"`
		Segments []struct {
			Size int64 `json:"size"`
		} `json:"segments"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got); s != fmt.Sprintf("{2 [{%d}]}", info.Size()) {
		t.Errorf("snapshot %s: want the end 2 and one segment of %d bytes", text, info.Size())
	}
}
