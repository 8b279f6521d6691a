package cdc

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// Whatever rows a log has, whatever of the changes arrived, and whatever lookups
// answer the second time: reading it again gives every document the same position,
// publishes what did not arrive, and nothing that did.
func TestReadingAgainPublishesWhatDidNotArrive(test *testing.T) {
	rapid.Check(test, func(t *rapid.T) {
		var log [][]pgoutput.Message
		for i := range rapid.IntRange(1, 5).Draw(t, "transactions") {
			lsn := uint64(1000 + 100*i)
			messages := []pgoutput.Message{{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: lsn, XID: uint32(lsn)}}}
			for range rapid.IntRange(0, 12).Draw(t, "rows") {
				id := fmt.Sprint(rapid.IntRange(1, 6).Draw(t, "id"))
				messages = append(messages, rapid.SampledFrom([]pgoutput.Message{
					insert(ordersID, id, "x", "1", null), update(ordersID, row(id, "x", null, null), row("7", "x", "2", null)),
					remove(ordersID, id, "x", null, null), insert(linesID, "1", id), insert(auditID, id, id), insert(strangerID, id),
				}).Draw(t, "row"))
			}
			log = append(log, append(messages, pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: lsn, EndLSN: lsn + 40}}))
		}
		read := func(parents string, r *replay) (*pipeline, map[place]string) {
			cfg := testConfig()
			cfg.PieceDocuments = 3
			rows := make(map[string][]changefeed.Text)
			for _, id := range parents {
				rows[string(id)] = make([]changefeed.Text, 3)
			}
			p := newPipeline(test, cfg, &fakeParents{rows: rows})
			p.replay = r
			if err := p.take(announcements()...); err != nil {
				t.Fatal(err)
			}
			for _, messages := range log {
				if err := p.take(messages...); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "published at once") {
					p.publishes()
				}
			}
			got := make(map[place]string)
			for _, c := range p.publishes() {
				if _, twice := got[placeOf(c.Position)]; twice {
					t.Fatalf("%v comes twice", c.Position)
				}
				got[placeOf(c.Position)] = c.Topic + " " + c.Meta.DocumentID
			}
			return p, got
		}
		_, all := read("1234567", newReplay(0, place{}, nil))
		_, first := read(rapid.StringMatching("[1-7]{0,7}").Draw(t, "parents"), newReplay(0, place{}, nil))
		var arrived []place
		for p, is := range first {
			if all[p] != is {
				t.Fatalf("%v is %q, and was %q", p, is, all[p])
			}
			if p.lsn%200 == 0 || p.ordinal%2 == 0 {
				arrived = append(arrived, p)
			}
		}
		p, second := read("1234567", newReplay(0, place{}, arrived))
		for _, at := range arrived {
			if is, again := second[at]; again {
				t.Fatalf("%v, %s, has arrived and comes again", at, is)
			}
			second[at] = first[at]
		}
		if len(second) != len(all) {
			t.Fatalf("%d changes in the end, want %d", len(second), len(all))
		}
		for at, is := range second {
			if all[at] != is {
				t.Fatalf("%v is %q, want %q", at, is, all[at])
			}
		}
		if skipped := p.counters.skipped.Load(); skipped != uint64(len(arrived)) {
			t.Fatalf("%d skipped, want %d", skipped, len(arrived))
		}
		end := uint64(1000 + 100*(len(log)-1) + 40)
		if p.flush != end {
			t.Fatalf("confirmed %d, want %d", p.flush, end)
		}
		var last place
		for at := range all {
			last = later(last, at)
		}
		if got := p.out.window.headway().through; got.compare(last) != 0 {
			t.Fatalf("acknowledged through %v, want %v", got, last)
		}
	})
}
