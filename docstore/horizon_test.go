package docstore_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/docstore"
)

// change returns a change that matters to a horizon.
func change(source string, epoch uint32, lsn, xid uint64) *changefeed.Change {
	return &changefeed.Change{
		Position: changefeed.Position{Source: source, Epoch: epoch, LSN: lsn},
		XID:      xid,
	}
}

func TestHorizonHoldsWhatMustBeVisible(t *testing.T) {
	for _, test := range []struct {
		why     string
		changes []*changefeed.Change
		want    docstore.Horizon
	}{
		{"no changes", nil, docstore.Horizon{}},
		{
			"a change without a position adds nothing",
			[]*changefeed.Change{{XID: 7}},
			docstore.Horizon{},
		},
		{
			"transactions once each and in order, the highest position",
			[]*changefeed.Change{
				change("main", 1, 300, 12), change("main", 1, 100, 11), change("main", 1, 200, 20), change("main", 1, 100, 11),
			},
			docstore.Horizon{"main": {Epoch: 1, XIDs: []uint64{11, 12, 20}, LSN: 300}},
		},
		{
			"a change without a transaction id counts with its position",
			[]*changefeed.Change{change("main", 1, 100, 0)},
			docstore.Horizon{"main": {Epoch: 1, LSN: 100}},
		},
		{
			"sources are apart",
			[]*changefeed.Change{change("p1", 1, 100, 11), change("p2", 4, 50, 11)},
			docstore.Horizon{"p1": {Epoch: 1, XIDs: []uint64{11}, LSN: 100}, "p2": {Epoch: 4, XIDs: []uint64{11}, LSN: 50}},
		},
		{
			"of several epochs only the newest counts",
			[]*changefeed.Change{change("main", 1, 900, 90), change("main", 2, 100, 11), change("main", 1, 800, 80)},
			docstore.Horizon{"main": {Epoch: 2, XIDs: []uint64{11}, LSN: 100}},
		},
	} {
		got := make(docstore.Horizon)
		for _, c := range test.changes {
			got.Add(c)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.why, diff)
		}
	}
}

func TestHorizonDoesNotDependOnTheOrderOfChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		changes := make([]*changefeed.Change, random.IntN(30))
		for i := range changes {
			changes[i] = change([]string{"p1", "p2"}[random.IntN(2)], 1+random.Uint32N(3), random.Uint64N(50), random.Uint64N(20))
		}
		want := make(docstore.Horizon)
		for _, c := range changes {
			want.Add(c)
		}
		random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		got := make(docstore.Horizon)
		for _, c := range changes {
			got.Add(c)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
		for source, marks := range got {
			if !slices.IsSorted(marks.XIDs) {
				t.Fatalf("source %s: transactions out of order: %v", source, marks.XIDs)
			}
		}
	}
}
