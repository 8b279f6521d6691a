package changefeed_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

// The hashes and partitions that Java's default partitioner gives.
func TestPartitionIsThatOfTheJavaClient(t *testing.T) {
	counts := []int{1, 4, 16, 32, 96}
	for _, tc := range []struct {
		key  string
		hash uint32
		want [5]int
	}{
		{"95dece4cd7c945ec83c6d2dd04d38673", 0x0d7ba538, [5]int{0, 0, 8, 24, 24}},
		{"b5e2c3a0-7a3d-4f0e-9b1c-1f2e3d4c5b6a", 0xaea2a201, [5]int{0, 1, 1, 1, 65}},
		{"case1/stock/product1", 0x78601240, [5]int{0, 0, 0, 0, 64}},
		{"17", 0xe6b8dd24, [5]int{0, 0, 4, 4, 36}},
		{"abc", 0x1c94221b, [5]int{0, 3, 11, 27, 27}},
		{"naïve-ключ", 0xb3936d86, [5]int{0, 2, 6, 6, 6}},
	} {
		if got := changefeed.Murmur2([]byte(tc.key)); got != tc.hash {
			t.Errorf("Murmur2(%q) = %#08x, want %#08x", tc.key, got, tc.hash)
		}
		client := kgo.StickyKeyPartitioner(nil).ForTopic("t")
		for i, n := range counts {
			if got := changefeed.Partition([]byte(tc.key), n); got != tc.want[i] {
				t.Errorf("Partition(%q, %d) = %d, want %d", tc.key, n, got, tc.want[i])
			}
			if got := client.Partition(&kgo.Record{Key: []byte(tc.key)}, n); got != tc.want[i] {
				t.Errorf("the client puts %q of %d partitions into %d, want %d", tc.key, n, got, tc.want[i])
			}
		}
	}
}

func TestValidateTopicNamesWhatKafkaRefuses(t *testing.T) {
	for _, name := range []string{"form-sql", "a", "A.b_c-9"} {
		if err := changefeed.ValidateTopic(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ü", string(make([]byte, 250))} {
		if changefeed.ValidateTopic(name) == nil {
			t.Errorf("topic name %q was accepted", name)
		}
	}
}
