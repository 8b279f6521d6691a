package demo

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// audit notes the order of every row that is changed, in the same transaction,
// so that what is rolled back is not in it.
const audit = `
CREATE TABLE audit (xid text, order_id bigint, line boolean);
GRANT ALL ON audit TO shop;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO audit VALUES (pg_current_xact_id()::text, coalesce(NEW.order_id, OLD.order_id), TG_TABLE_NAME = 'order_lines');
	RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON order_lines FOR EACH ROW EXECUTE FUNCTION note();`

func TestEveryActionExpectsWhatItChanges(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	s := shop{server}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.execute(t.Context(), database, audit); err != nil {
		t.Fatal(err)
	}
	conn, err := s.connect(t.Context(), ownerRole)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	w := newWriter(s, newTracker(), Options{Rate: 1})
	k := &worker{writer: w, conn: conn, granted: 50}
	if _, err := k.transact(t.Context(), largeActions[0]); err != nil { // something to work on
		t.Fatal(err)
	}
	for _, a := range largeActions {
		a.picks = 20
		expectsWhatItChanges(t, k, a)
	}
	for _, a := range smallActions {
		for range 5 {
			expectsWhatItChanges(t, k, a)
		}
	}
}

func expectsWhatItChanges(t *testing.T, k *worker, a action) {
	t.Helper()
	k.writer.tracker = newTracker()
	changes, err := k.transact(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var xid uint64
	expected := make(map[int64]bool)
	for p, e := range k.writer.tracker.open {
		xid = p.xid
		expected[p.order] = e.linesOnly
	}
	if changes != len(expected) || a.undone && changes > 0 {
		t.Errorf("%s: it reports %d changes and expects %d", a.name, changes, len(expected))
	}
	if len(expected) == 0 {
		return
	}
	rows, err := k.conn.Query(t.Context(), "SELECT order_id, bool_and(line) FROM audit WHERE xid = $1::bigint::text GROUP BY 1", int64(xid))
	if err != nil {
		t.Fatal(err)
	}
	changed := make(map[int64]bool)
	var order int64
	var linesOnly bool
	if _, err := pgx.ForEachRow(rows, []any{&order, &linesOnly}, func() error {
		changed[order] = linesOnly
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(changed, expected); diff != "" {
		t.Errorf("%s: orders, and whether only lines changed (-changed +expected):\n%s", a.name, diff)
	}
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	b := newBudget(10)
	if n := b.take(7); n != 7 {
		t.Errorf("took %d of 10, want 7", n)
	}
	if n := b.take(7); n != 3 || b.any() {
		t.Errorf("took %d of 3, want all", n)
	}
	b.giveBack(2)
	if n := b.take(7); n != 2 {
		t.Errorf("took %d, want the 2 that were given back", n)
	}
	endless := newBudget(0)
	if n := endless.take(7); n != 7 || !endless.any() {
		t.Errorf("took %d of a budget without end, want 7", n)
	}
}

func TestPaceSpacesChangesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(100)
		begun := time.Now()
		for range 10 {
			p.wait(t.Context())
			p.spend(4)
		}
		if took := time.Since(begun); took != 450*time.Millisecond { // the last five are not waited for
			t.Errorf("50 changes at 100 a second took %s, want 450 ms", took)
		}
		time.Sleep(time.Hour)
		begun = time.Now()
		for range 20 {
			p.wait(t.Context())
		}
		if took := time.Since(begun); took != 90*time.Millisecond { // ten at once, for the last 100 ms
			t.Errorf("20 changes after a pause took %s, want 90 ms", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p.wait(ctx) {
			t.Error("the pace goes on after its context has ended")
		}
	})
}
