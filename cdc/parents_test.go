package cdc

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

func TestOneLookupServesAllThatIsQueued(t *testing.T) {
	lookup := &fakeParents{rows: map[string][]changefeed.Text{"a": make([]changefeed.Text, 3)}}
	p := newPipeline(t, testConfig(), lookup)
	_ = p.take(announcements()...)
	p.commits(insert(ordersID, "z", "acme", "1", null))
	p.commits(insert(linesID, "1", "a"))
	p.commits(insert(linesID, "2", "b"))
	p.publishes()
	p.commits(insert(linesID, "3", "a"))
	p.publishes()
	want := []Seen{
		{Source: "main", Epoch: 1, XIDs: []uint64{1<<32 + 1100, 1<<32 + 1200, 1<<32 + 1300}, LSN: 1300},
		{Source: "main", Epoch: 1, XIDs: []uint64{1<<32 + 1400}, LSN: 1400},
	}
	if diff := cmp.Diff(want, lookup.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"a", "b"}, {"a"}}, lookup.ids); diff != "" {
		t.Error(diff)
	}
	if got := p.counters.parentsGone.Load(); got != 1 {
		t.Errorf("%d parents gone, want 1", got)
	}
}

// However many transactions come between lookups, each is seen by one, and that
// of a document by the lookup of the document, or an earlier one.
func TestLookupsLeaveNoTransactionUnseen(t *testing.T) {
	const transactions = 3*lookupXIDs + 100
	lookup := &fakeParents{}
	p := newPipeline(t, testConfig(), lookup)
	_ = p.take(announcements()...)
	var first uint64
	for i := range transactions {
		p.commits(insert(ordersID, fmt.Sprint(i), "acme", "1", null))
		if first == 0 {
			first = 1<<32 + p.lsn
		}
		if i%1000 == 0 {
			p.publishes() // batches without a lookup of their own
		}
	}
	p.commits(insert(auditID, "a", "b")) // no row of a parent
	p.commits(insert(linesID, "1", "a"))
	last := 1<<32 + p.lsn
	p.publishes()
	var seen []uint64
	for _, at := range lookup.asked {
		if len(at.XIDs) > lookupXIDs {
			t.Errorf("a lookup has to see %d transactions, want at most %d", len(at.XIDs), lookupXIDs)
		}
		seen = append(seen, at.XIDs...)
	}
	if len(seen) != transactions+1 || seen[0] != first || seen[len(seen)-1] != last {
		t.Errorf("%d transactions were seen, want %d", len(seen), transactions+1)
	}
	if ids := lookup.ids[len(lookup.ids)-1]; len(ids) != 1 || ids[0] != "a" {
		t.Errorf("the last lookup is of %q", ids)
	}
}

func TestOneBatchIsLookedUpInSlices(t *testing.T) {
	lookup := &fakeParents{}
	p := newPipeline(t, testConfig(), lookup)
	_ = p.take(announcements()...)
	for i := range 2*lookupIDs + 10 {
		p.commits(insert(linesID, "1", fmt.Sprint(i)))
	}
	p.publishes()
	own := make(map[string]uint64)
	for i := range 2*lookupIDs + 10 {
		own[fmt.Sprint(i)] = 1<<32 + 1100 + 100*uint64(i)
	}
	if len(lookup.asked) != 3 {
		t.Fatalf("%d lookups, want 3", len(lookup.asked))
	}
	for i, at := range lookup.asked {
		for _, id := range lookup.ids[i] {
			if _, found := slices.BinarySearch(at.XIDs, own[id]); !found {
				t.Fatalf("lookup %d does not see the transaction of document %s", i, id)
			}
		}
	}
}

func TestUnsentColumnsComeFromTheOldRowOrALookup(t *testing.T) {
	lookup := &fakeParents{rows: map[string][]changefeed.Text{"a": {changefeed.NewText("acme"), changefeed.NewText("2"), {}}}}
	p := newPipeline(t, testConfig(), lookup)
	_ = p.take(announcements()...)
	p.commits(update(ordersID, nil, row("a", "acme", unsent, null)))
	whole := update(ordersID, row("b", "acme", "1", null), row("b", unsent, unsent, null))
	whole.Update.OldKind = pgoutput.OldRow
	p.commits(whole)
	p.commits(update(ordersID, row("c", "acme", null, null), row("d", unsent, "1", null)))
	want := []string{
		"1100/0 orders a acme Order closed",
		"1200/0 orders b acme Order open",
		"1300/0 orders c acme Order - deleted",
		"1300/1 orders d acme Order open",
	}
	if diff := cmp.Diff(want, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}
