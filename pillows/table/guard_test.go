package table_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/pillows"
	"changefeed/pillows/table"
)

const (
	rowsSQL  = "SELECT format('%s %s %s', id, total, _version) FROM report ORDER BY id"
	guardSQL = "SELECT format('%s %s %s', report, document_id, version) FROM changefeed.report_versions ORDER BY document_id"
)

func expect(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRowsAndGuardHoldTheVersion(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("b", 10, `{"total": 1}`), save("a", 1<<52|7, `{"total": 2.50}`), save("c", 3, `{}`))
	process(t, p, save("b", 11, `{"total": 3}`), deletion("c", 4))
	expect(t, query(t, pool, rowsSQL), "a 2.50 4503599627370503", "b 3 11")
	expect(t, query(t, pool, guardSQL), "public.report a 4503599627370503", "public.report b 11", "public.report c 4")
}

func TestDocumentMarkedAsDeletedLosesItsRow(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 1, `{"total": 1}`))
	marked := save("a", 2, `{"total": 2}`)
	marked.Document.Deleted = true
	process(t, p, marked)
	expect(t, query(t, pool, rowsSQL))
	expect(t, query(t, pool, guardSQL), "public.report a 2")
}

func TestNewestOfDocumentsWithOneIDCounts(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	got := process(t, p, save("a", 1, `{"total": 1}`), save("a", 3, `{"total": 3}`), save("b", 1, `{"total": 1}`), save("a", 2, `{"total": 2}`))
	want := []pillows.Verdict{pillows.Superseded, pillows.Applied, pillows.Applied, pillows.Superseded}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	expect(t, query(t, pool, rowsSQL), "a 3 3", "b 1 1")
}

// The new owner of a partition deletes a document while the old one's save of it
// is not committed: the deletion must see the row that it could not see at first.
func TestDeletionSeesTheRowOfASaveItWaitedFor(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := begin(t, pool)
	if _, err := old.Exec(t.Context(), `INSERT INTO changefeed.report_versions VALUES ('public.report', 'a', 1); INSERT INTO report VALUES ('a', 1, 1)`); err != nil {
		t.Fatal(err)
	}
	var deleted sync.WaitGroup
	deleted.Go(func() {
		if err := p.Process(t.Context(), pillows.NewBatch([]pillows.Item{deletion("a", 2)})); err != nil {
			t.Error(err)
		}
	})
	waitForLock(t.Context(), t, pool)
	if err := old.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	deleted.Wait()
	expect(t, query(t, pool, rowsSQL))
	expect(t, query(t, pool, guardSQL), "public.report a 2")
}

// The save and the deletion are of one transaction: where the document exists
// after it, it stays, whoever writes first.
func TestDeletionThatWaitedForASaveOfItsVersionIsRefused(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := begin(t, pool)
	if _, err := other.Exec(t.Context(), `INSERT INTO changefeed.report_versions VALUES ('public.report', 'a', 2); INSERT INTO report VALUES ('a', 2, 2)`); err != nil {
		t.Fatal(err)
	}
	b := pillows.NewBatch([]pillows.Item{deletion("a", 2)})
	var deleted sync.WaitGroup
	deleted.Go(func() {
		if err := p.Process(t.Context(), b); err != nil {
			t.Error(err)
		}
	})
	waitForLock(t.Context(), t, pool)
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	deleted.Wait()
	if v := b.Verdict(0); v != pillows.Superseded {
		t.Errorf("the deletion is %s, want superseded", v)
	}
	expect(t, query(t, pool, rowsSQL), "a 2 2")
}

func TestOfDocumentsWithOneIDAndVersionASaveCounts(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	var items []pillows.Item
	var want []string
	var verdict []pillows.Verdict
	for i := range 30 {
		id := fmt.Sprintf("doc-%02d", i)
		both := []pillows.Item{deletion(id, 5), save(id, 5, `{"total": 5}`)}
		verdicts := []pillows.Verdict{pillows.Superseded, pillows.Applied}
		if i%2 == 0 {
			slices.Reverse(both)
			slices.Reverse(verdicts)
		}
		items, verdict, want = append(items, both...), append(verdict, verdicts...), append(want, id+" 5 5")
	}
	items = append(items, save("z", 5, `{"total": 1}`), save("z", 5, `{"total": 2}`)) // the later one
	verdict, want = append(verdict, pillows.Superseded, pillows.Applied), append(want, "z 2 5")
	if got := process(t, p, items...); !slices.Equal(got, verdict) {
		t.Errorf("verdicts %v, want %v", got, verdict)
	}
	expect(t, query(t, pool, rowsSQL), want...)
}

// The save cannot be written yet, and the deletion of the same transaction can.
func TestSaveThatFailedIsWrittenOverTheDeletionOfItsVersion(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, totals())
	process(t, p, save("a", 1, `{"total": 1}`))
	failures(t, p, deletion("a", 2), save("a", 2, `{"total": "two"}`))
	if got := process(t, p, save("a", 2, `{"total": 2}`)); got[0] != pillows.Applied {
		t.Errorf("the save once it is good is %s, want applied", got[0])
	}
	expect(t, query(t, pool, rowsSQL), "a 2 2")
}

// Two owners work through the same changes, each in an order of its own.
func TestOwnersOfOnePartitionEndAtTheNewest(t *testing.T) {
	pool := newPool(t)
	const documents, versions = 40, 25
	var owners sync.WaitGroup
	for owner := range 3 {
		p := newProcessor(t, pool, totals())
		random := rand.New(rand.NewPCG(uint64(owner), 7))
		owners.Go(func() {
			for range 60 {
				var items []pillows.Item
				for _, n := range random.Perm(documents)[:documents/2] {
					id, version := fmt.Sprintf("doc-%02d", n), 1+random.Int64N(versions)
					if version%3 == 0 {
						items = append(items, deletion(id, version))
					} else {
						items = append(items, save(id, version, fmt.Sprintf(`{"total": %d}`, version)))
					}
				}
				if err := p.Process(t.Context(), pillows.NewBatch(items)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	owners.Wait()
	// Every row is what its version says, and is there unless the newest change
	// was a deletion.
	expect(t, query(t, pool, `
		SELECT format('%s: guard %s, row %s with total %s', v.document_id, v.version, r._version, r.total)
		FROM changefeed.report_versions v FULL JOIN report r ON r.id = v.document_id
		WHERE (v.version % 3 = 0) <> (r.id IS NULL) OR r._version <> v.version OR r.total <> r._version`))
	if n := query(t, pool, "SELECT count(*) FROM changefeed.report_versions"); n[0] != fmt.Sprint(documents) {
		t.Errorf("%s documents in the guard, want %d", n[0], documents)
	}
}

func TestTwoReportsDoNotShareVersions(t *testing.T) {
	pool := newPool(t)
	execute(t, pool, `CREATE SCHEMA "a.b"; CREATE SCHEMA a`)
	one, other := totals(), totals()
	one.Schema, one.Name = "a.b", "c"
	other.Schema, other.Name = "a", "b.c"
	process(t, newProcessor(t, pool, one), save("x", 9, `{}`))
	if got := process(t, newProcessor(t, pool, other), save("x", 1, `{}`)); got[0] != pillows.Applied {
		t.Errorf("the other report's first change is %s, want applied", got[0])
	}
	expect(t, query(t, pool, guardSQL[:len(guardSQL)-len("document_id")]+"report"), `"a.b".c x 9`, `a."b.c" x 1`)
}

func TestTableMadeAgainStartsWithAnEmptyGuard(t *testing.T) {
	pool := newPool(t)
	other := totals()
	other.Name = "other"
	process(t, newProcessor(t, pool, other), save("x", 9, `{}`))
	process(t, newProcessor(t, pool, totals()), save("a", 9, `{"total": 9}`), save("b", 9, `{}`))
	execute(t, pool, "DROP TABLE report")
	if got := process(t, newProcessor(t, pool, totals()), save("a", 5, `{"total": 5}`)); got[0] != pillows.Applied {
		t.Errorf("a change of before is %s in the new table, want applied", got[0])
	}
	expect(t, query(t, pool, rowsSQL), "a 5 5")
	expect(t, query(t, pool, guardSQL), "public.report a 5", "public.other x 9")
}

func TestKeysOfOtherTypes(t *testing.T) {
	const upper = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"
	const lower = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	pool := newPool(t)
	for kind, test := range map[string]struct{ good, bad []string }{
		"smallint": {[]string{"7", "-7", "0"}, []string{"007", "-0", "x", "40000", ""}},
		"bigint":   {[]string{"9223372036854775807"}, []string{"9223372036854775808", "+1", "1.0"}},
		"uuid":     {[]string{lower}, []string{upper, "x"}},
		"text":     {[]string{"x", "X", "é", "a/b", `"`, `\N`}, []string{"a\x00b", "\xff"}},
	} {
		t.Run(kind, func(t *testing.T) {
			empty(t, pool)
			cfg := totals()
			cfg.Columns[0].Type = kind
			cfg.Columns = append(cfg.Columns, table.Column{Name: "again", Path: "_id", Type: "text"})
			p := newProcessor(t, pool, cfg)
			var saves, removals, bad []pillows.Item
			for _, id := range test.good {
				saves = append(saves, save(id, 1, `{"_id": "not this", "total": 1}`))
				removals = append(removals, deletion(id, 2))
			}
			for _, id := range test.bad {
				bad = append(bad, save(id, 1, `{}`))
			}
			process(t, p, saves...)
			got := query(t, pool, "SELECT id::text FROM report WHERE id::text = again")
			slices.Sort(got)
			want := slices.Sorted(slices.Values(test.good))
			expect(t, got, want...)
			if failed := failures(t, p, bad...); len(failed) != len(bad) {
				t.Errorf("of %q, %d fail: %v", test.bad, len(failed), failed)
			}
			process(t, p, removals...)
			expect(t, query(t, pool, "SELECT id::text FROM report"))
		})
	}
}

// A document whose id is no key never had a row, so its deletion is done.
func TestDeletionOfADocumentThatCannotHaveARow(t *testing.T) {
	pool := newPool(t)
	cfg := totals()
	cfg.Columns[0].Type = "bigint"
	p := newProcessor(t, pool, cfg)
	process(t, p, save("7", 1, `{"total": 1}`))
	process(t, p, deletion("007", 2), deletion("x", 2))
	expect(t, query(t, pool, rowsSQL), "7 1 1")
}
