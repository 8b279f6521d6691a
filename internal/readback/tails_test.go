package readback_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
	"changefeed/internal/readback"
)

func TestReadGivesEveryPositionOfTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 3, 16, "forms", "cases", "unused")
		var records []*kgo.Record
		want := map[string][]uint64{} // by topic and partition, in order
		for i := range 2000 {
			topic, partition := []string{"forms", "cases"}[i%2], i*7%13 // 13 to 15 stay empty
			r := f.own(topic, partition)
			records = append(records, r)
			where := fmt.Sprint(topic, partition)
			want[where] = append(want[where], f.next-1)
			for _, other := range []string{"main2/1/0000000000000001/0", "mai/1/0000000000000001/0", "main/1/1/0", "main/x/0000000000000001/0", "main/", ""} {
				records = append(records, positioned(topic, partition, other))
			}
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("{}")})
		}
		f.write(records...)
		lsns, ends := f.collect(nil, true, "forms", "cases", "unused", "forms")
		if diff := cmp.Diff(f.ends("forms", "cases", "unused"), ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		for where, want := range want {
			got := slices.DeleteFunc(slices.Clone(lsns), func(n uint64) bool { return !slices.Contains(want, n) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", where, diff)
			}
		}
		if len(lsns) != 2000 {
			t.Errorf("%d positions, want 2000", len(lsns))
		}
	})
}

func TestReadOfEmptyTopicsReturnsTheirEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 3, "forms", "cases")
		lsns, ends := f.collect(nil, false, "forms", "cases")
		if diff := cmp.Diff(changefeed.Offsets{"forms": {0, 0, 0}, "cases": {0, 0, 0}}, ends); diff != "" || len(lsns) > 0 {
			t.Errorf("positions %v, ends (-want +got):\n%s", lsns, diff)
		}
	})
}

func TestReadBeginsAtTheOffsets(t *testing.T) {
	tests := []struct {
		name string
		from []int64
		want []uint64 // of 10 records in partition 0 and then 10 in partition 1, with the first 4 of each deleted
	}{
		{"inside", []int64{7, 9}, []uint64{8, 9, 10, 20}},
		{"at the end", []int64{10, 10}, nil},
		{"before the start", []int64{2, 10}, count(5, 10)},
		{"beyond the end", []int64{11, 10}, count(5, 10)},
		{"of one partition alone", []int64{10}, count(15, 20)},
		{"of more partitions than there are", []int64{10, 9, 5, 8}, []uint64{20}},
		{"none", nil, append(count(5, 10), count(15, 20)...)},
	}
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 2, "forms")
		for n := range 20 {
			f.write(f.own("forms", n/10))
		}
		for partition := range int32(2) {
			if err := f.DeleteRecords("forms", partition, 4); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		for _, tt := range tests {
			got, ends := f.collect(changefeed.Offsets{"forms": tt.from, "elsewhere": {5}}, true, "forms")
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			if diff := cmp.Diff(changefeed.Offsets{"forms": {10, 10}}, ends); diff != "" {
				t.Errorf("%s: ends (-want +got):\n%s", tt.name, diff)
			}
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %v, want no second try", took)
		}
	})
}

func TestReadOfATopicMadeAnewBeginsAtItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0), f.own("forms", 0), f.own("forms", 0))
		from := f.ends("forms")
		f.remake("forms")
		f.write(f.own("forms", 0))
		got, ends := f.collect(from, true, "forms")
		if diff := cmp.Diff([]uint64{4}, got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(changefeed.Offsets{"forms": {1}}, ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
	})
}

func TestLastReadsABoundedNumberOfOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 2, "forms")
		for range 30 {
			f.write(f.own("forms", 0))
		}
		f.write(f.own("forms", 1), f.own("forms", 1))
		var got []uint64
		ends, err := f.tails(10).Last(t.Context(), "main", []string{"forms"}, func(p changefeed.Position) error {
			got = append(got, p.LSN)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(count(21, 32), got); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(changefeed.Offsets{"forms": {30, 2}}, ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
	})
}

func TestReadNamesATopicThatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms", "cases"}, nil, true, ignore)
		if err == nil || !strings.Contains(err.Error(), "topic cases") || !strings.Contains(err.Error(), "changefeed init") {
			t.Errorf("Read gave %v, want the topic and how to create it", err)
		}
	})
}

func TestReadEndsWithTheErrorOfTheCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0), f.own("forms", 0))
		enough, calls := errors.New("enough"), 0
		_, err := f.tails(0).Read(t.Context(), "main", []string{"forms"}, nil, false, func(changefeed.Position) error {
			calls++
			return enough
		})
		if !errors.Is(err, enough) || calls != 1 {
			t.Errorf("Read gave %v after %d calls, want the error of the first", err, calls)
		}
	})
}

func TestReadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopics(t, 1, 1, "forms")
		f.write(f.own("forms", 0))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := f.tails(0).Read(ctx, "main", []string{"forms"}, nil, false, func(changefeed.Position) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Read gave %v, want that it was cancelled", err)
		}
	})
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := readback.New(readback.Config{Recent: -1})
	for _, key := range []string{"Open", "Log", "Recent"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("New gave %v, want %s named", err, key)
		}
	}
	open := func(...kgo.Opt) (*kgo.Client, error) { return nil, errors.New("no brokers") }
	tails, err := readback.New(readback.Config{Open: open, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tails.Last(t.Context(), "main", nil, ignore); err == nil || !strings.Contains(err.Error(), "no brokers") {
		t.Errorf("Last gave %v, want the error of Open", err)
	}
}
