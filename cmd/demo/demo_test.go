package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(localpgtest.Main{M: m}) }

// requirePostgres skips the test, or fails it, where there is no PostgreSQL, and
// so does not when the demo says so.
func requirePostgres(t *testing.T) { localpgtest.Shared(t) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestDemoOfAFewChangesLosesNothing(t *testing.T) {
	requirePostgres(t)
	var out, screen bytes.Buffer
	err := Run(t.Context(), Options{Changes: 500, JSON: true, Out: &out, Screen: Screen{Out: &screen}, Log: quiet()})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), screen.String())
	}
	var got Summary
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if decoder.More() {
		t.Error("more than one object was printed")
	}
	if got.Changes != 500 || got.Published != 500 {
		t.Errorf("%d changes and %d records, want 500 of each", got.Changes, got.Published)
	}
	if n := got.Applied + got.Superseded + got.Filtered + got.Parked; n != 500 {
		t.Errorf("%d verdicts, want 500", n)
	}
	if got.Lost != 0 || got.Mismatched != 0 || got.Unexpected != 0 {
		t.Errorf("lost %d, mismatched %d, unexpected %d; want none", got.Lost, got.Mismatched, got.Unexpected)
	}
	if got.P50 <= 0 || got.P99 < got.P50 || got.Rows == 0 || got.RolledBack == 0 {
		t.Errorf("p50 %v, p99 %v, %d rows, %d transactions rolled back: want more of each", got.P50, got.P99, got.Rows, got.RolledBack)
	}
	if !strings.Contains(screen.String(), "changes committed") {
		t.Errorf("no progress was shown:\n%s", screen.String())
	}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *milliseconds) UnmarshalJSON(text []byte) error {
	var n float64
	err := json.Unmarshal(text, &n)
	*m = milliseconds(n * float64(time.Millisecond))
	return err
}

// faulty runs a demo of some changes with faults in it.
func faulty(t *testing.T, fault func(*demo)) *Summary {
	t.Helper()
	requirePostgres(t)
	d, err := newDemo(Options{Changes: 200, Stall: time.Second, Out: t.Output(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	fault(d)
	s, err := d.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); !errors.Is(err, ErrFailed) {
		t.Errorf("the summary's error is %v, want ErrFailed", err)
	}
	return s
}

func TestVerdictsThatDoNotArriveAreLostAndThoseOfNobodyUnexpected(t *testing.T) {
	s := faulty(t, func(d *demo) {
		var once sync.Once
		d.observer = func(next func(pillows.Observation)) func(pillows.Observation) {
			return func(o pillows.Observation) {
				once.Do(func() {
					forged := o
					forged.Changes = append(forged.Changes[:0:0], o.Changes[0])
					forged.Changes[0].XID += 1 << 40 // of a transaction that there is not: the right one gets no verdict
					forged.Verdicts = o.Verdicts[:1]
					next(forged)
					o.Changes, o.Verdicts = o.Changes[1:], o.Verdicts[1:]
				})
				next(o)
			}
		}
	})
	if s.Lost != 1 || len(s.lost) != 1 {
		t.Errorf("%d lost, named %q; want one", s.Lost, s.lost)
	}
	if s.Unexpected != 1 || len(s.strays) != 1 {
		t.Errorf("%d unexpected, named %q; want one", s.Unexpected, s.strays)
	}
	if s.Mismatched != 0 {
		t.Errorf("%d rows mismatched, want none", s.Mismatched)
	}
}

func TestRowsOfTheReportThatDifferAreMismatched(t *testing.T) {
	s := faulty(t, func(d *demo) {
		d.beforeCompare = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `
				UPDATE reports.orders SET total = total + 0.01 WHERE order_id = (SELECT min(order_id) FROM reports.orders);
				DELETE FROM reports.orders WHERE order_id = (SELECT max(order_id) FROM reports.orders);
				INSERT INTO reports.orders (order_id, _version) VALUES (-1, 1)`)
			return err
		}
	})
	if s.Mismatched != 3 || s.Lost != 0 {
		t.Errorf("%d mismatched and %d lost, want 3 and 0", s.Mismatched, s.Lost)
	}
	if c := s.comparison; c.missing != 1 || c.extra != 1 || c.different != 1 || len(c.examples) != 3 {
		t.Errorf("the comparison is %+v, want one of each, with examples", c)
	}
	if text := s.text(); !strings.Contains(text, "order -1 is extra") {
		t.Errorf("the summary does not name the rows:\n%s", text)
	}
}

func TestDemoWithoutEndComparesWhenItIsStopped(t *testing.T) {
	requirePostgres(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d, err := newDemo(Options{Out: t.Output(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	d.observer = func(next func(pillows.Observation)) func(pillows.Observation) {
		return func(o pillows.Observation) {
			next(o)
			if d.writer.changes.Load() > 300 {
				stop()
			}
		}
	}
	s, err := d.run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if s.Changes <= 300 || s.Published != s.Changes {
		t.Errorf("%d changes and %d records, want more than 300 of each", s.Changes, s.Published)
	}
}

func TestDemoThatIsStoppedEarlyFails(t *testing.T) {
	requirePostgres(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	if err := Run(ctx, Options{Changes: 10, Out: &out, Log: quiet()}); err == nil || out.Len() > 0 {
		t.Errorf("Run returned %v and printed %q, want an error alone", err, out.String())
	}
}

func TestPublisherOfTheDemoMayOnlyRead(t *testing.T) {
	server := localpgtest.New(t, localpg.Config{})
	s := shop{server}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := s.connect(t.Context(), feedRole)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"DELETE FROM orders", "DELETE FROM order_lines", "CREATE TABLE public.t ()"} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("the role %s may do this: %s", feedRole, sql)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT FROM orders, order_lines"); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	err := Options{Changes: -1, Rate: -1, Stall: -1}.Validate()
	for _, part := range []string{"-1 changes", "rate of -1", "stall timeout", "no logger"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if err := (Options{Out: t.Output(), Log: quiet()}).Validate(); err != nil {
		t.Error(err)
	}
}
