package cdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// The tables of these tests, by their relation's id.
const (
	ordersID uint32 = iota + 1
	linesID
	auditID
	strangerID
	eastID // a partition of orders, with another order of columns
	flagsID
)

func testConfig() Config {
	orders, lines, audit := TableName{"public", "orders"}, TableName{"public", "lines"}, TableName{"public", "audit"}
	return Config{
		Source: "main", DSN: "host=127.0.0.1",
		Tables: []Table{
			{
				Name: orders, Topic: "orders", DocumentID: []string{"id"},
				Domain:          Value{Column: "tenant"},
				DocumentType:    Value{Constant: changefeed.NewText("Order")},
				DocumentSubtype: Value{Column: "state", Values: map[string]string{"1": "open", "2": "closed"}, Default: changefeed.NewText("other")},
				Deleted:         Condition{Column: "deleted_on", NotNull: true},
			},
			{Name: lines, Parent: orders, DocumentID: []string{"order_id"}},
			{Name: audit, Topic: "audit", DocumentID: []string{"a", "b"}, Operations: Insert},
			{Name: TableName{"public", "flags"}, Topic: "orders", DocumentID: []string{"id"}, Deleted: Condition{Column: "flags", Bit: 4}},
		},
	}.WithDefaults()
}

func relationOf(id uint32, name string, columns ...string) pgoutput.Message {
	rel := pgoutput.Relation{ID: id, Namespace: "public", Name: name, ReplicaIdentity: pgoutput.IdentityIndex}
	for _, column := range columns {
		plain, keyed := strings.CutSuffix(column, "*")
		rel.Columns = append(rel.Columns, pgoutput.Column{Name: plain, Key: keyed, TypeOID: 25, TypeModifier: -1})
	}
	return pgoutput.Message{Kind: pgoutput.KindRelation, Relation: rel}
}

// announcements are the relation messages of all tables. A star marks columns of
// the replica identity.
func announcements() []pgoutput.Message {
	return []pgoutput.Message{
		relationOf(ordersID, "orders", "id*", "tenant*", "state", "deleted_on"),
		relationOf(linesID, "lines", "line_id*", "order_id*"),
		relationOf(auditID, "audit", "a", "b"),
		relationOf(strangerID, "stranger", "x*"),
		relationOf(eastID, "orders_east", "state", "deleted_on", "tenant*", "id*"),
	}
}

// null and unsent stand for values that are no text in the rows of these tests.
const (
	null   = "\x00"
	unsent = "\x01"
)

func tuple(values []string) pgoutput.Tuple {
	if values == nil {
		return nil
	}
	t := make(pgoutput.Tuple, len(values))
	for i, v := range values {
		switch v {
		case null:
			t[i] = pgoutputtest.Null()
		case unsent:
			t[i] = pgoutputtest.Unchanged()
		default:
			t[i] = pgoutputtest.Text(v)
		}
	}
	return t
}

func insert(id uint32, row ...string) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindInsert, Insert: pgoutput.Insert{RelationID: id, New: tuple(row)}}
}

func remove(id uint32, key ...string) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindDelete, Delete: pgoutput.Delete{RelationID: id, OldKind: pgoutput.OldKey, Old: tuple(key)}}
}

// update takes the old tuple, nil for none, and the new one.
func update(id uint32, key, row []string) pgoutput.Message {
	u := pgoutput.Update{RelationID: id, New: tuple(row), Old: tuple(key)}
	if key != nil {
		u.OldKind = pgoutput.OldKey
	}
	return pgoutput.Message{Kind: pgoutput.KindUpdate, Update: u}
}

func row(values ...string) []string { return values }

// fakeParents answers lookups from a map, and knows what it was asked.
type fakeParents struct {
	rows  map[string][]changefeed.Text
	asked []Seen
	ids   [][]string
}

func (f *fakeParents) Columns(_ context.Context, at Seen, ids, columns []string) ([][]changefeed.Text, error) {
	f.asked = append(f.asked, at)
	f.ids = append(f.ids, slices.Clone(ids))
	out := make([][]changefeed.Text, len(ids))
	for i, id := range ids {
		if have, ok := f.rows[id]; ok {
			out[i] = append(make([]changefeed.Text, 0, len(columns)), have...)
		}
	}
	return out, nil
}

// testEnd is what a pipeline needs of a test, be it one of testing or of rapid.
type testEnd interface {
	Context() context.Context
	Helper()
	Fatal(args ...any)
}

// pipeline is a session without its connection: messages go in, and the changes
// come out in a memory sink.
type pipeline struct {
	testEnd
	assembler
	out   *outlet
	sink  *changefeed.MemorySink
	flush uint64
	lsn   uint64
	// namesNow are those of tables and of the partitioned tables above them.
	namesNow map[uint32][]TableName
	// columnsNow are those of tables whose lists have not changed.
	columnsNow map[uint32][]presentColumn
}

func newPipeline(tb testEnd, cfg Config, lookup ParentLookup) *pipeline {
	tb.Helper()
	if err := cfg.Validate(); err != nil {
		tb.Fatal(err)
	}
	lookups := map[TableName]ParentLookup{}
	if lookup != nil {
		lookups[TableName{"public", "orders"}] = lookup
	}
	routes, err := newRoutes(&cfg, lookups)
	if err != nil {
		tb.Fatal(err)
	}
	p := &pipeline{testEnd: tb, lsn: 1000, namesNow: map[uint32][]TableName{eastID: {{"public", "orders_east"}, {"public", "orders"}}}}
	log := slog.New(slog.DiscardHandler)
	window := newWindow(func(lsn uint64) { p.flush = lsn }, func(int) {})
	p.sink = changefeed.NewMemorySink(func(floor uint64, _ error) { window.acknowledge(floor) })
	xids := &xidClock{}
	xids.set(1 << 32)
	p.assembler = assembler{
		epoch: cfg.Epoch, pieceDocuments: cfg.PieceDocuments, pieceBytes: cfg.PieceBytes, routes: routes,
		routed: make(map[uint32]TableName),
		names: func(_ context.Context, oid uint32, _ TableName) ([]TableName, error) {
			return p.namesNow[oid], nil
		},
		columns:  func(_ context.Context, oid uint32) ([]presentColumn, error) { return p.columnsNow[oid], nil },
		detached: func(context.Context, uint32, TableName) (bool, error) { return false, nil },
		queue:    newQueue(), replay: newReplay(0, place{}, nil), xids: xids, counters: &counters{}, log: log,
		relations: make(map[uint32]*relation), docs: newDocuments(), ordered: ordered(routes),
	}
	p.messages = newMessages(&cfg, routes, p.counters, log)
	p.out = &outlet{
		source: cfg.Source, epoch: cfg.Epoch, queue: p.queue, window: window, sink: p.sink, limit: publishChanges,
		parents: newParents(&cfg, cfg.Epoch, routes, p.counters, log), counters: p.counters,
	}
	return p
}

// take takes messages, each through its wire form.
func (p *pipeline) take(messages ...pgoutput.Message) error {
	var decoded pgoutput.Message
	for i := range messages {
		if err := decoded.Decode(pgoutputtest.Append(nil, &messages[i])); err != nil {
			p.Fatal(err)
		}
		if err := p.handle(p.Context(), &decoded); err != nil {
			return err
		}
	}
	return nil
}

// commits takes messages as a transaction and returns the end of its commit
// record.
func (p *pipeline) commits(messages ...pgoutput.Message) uint64 {
	p.Helper()
	p.lsn += 100
	all := []pgoutput.Message{{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: p.lsn, XID: uint32(p.lsn)}}}
	all = append(all, messages...)
	all = append(all, pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: p.lsn, EndLSN: p.lsn + 40}})
	if err := p.take(all...); err != nil {
		p.Fatal(err)
	}
	return p.lsn + 40
}

// publishes publishes what is in the queue.
func (p *pipeline) publishes() []changefeed.Change {
	p.Helper()
	p.queue.close()
	if err := p.out.run(p.Context()); err != nil {
		p.Fatal(err)
	}
	p.queue.closed = false
	return p.sink.Changes()
}

// summary writes a change in a line.
func summary(c *changefeed.Change) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%d/%d %s %s", c.Position.LSN, c.Position.Ordinal, c.Topic, c.Meta.DocumentID)
	for _, t := range []changefeed.Text{c.Meta.Domain, c.Meta.DocumentType, c.Meta.DocumentSubtype} {
		line.WriteString(" " + t.Or("-"))
	}
	if c.Meta.IsDeletion {
		line.WriteString(" deleted")
	}
	return line.String()
}

func summaries(changes []changefeed.Change) (lines []string) {
	for i := range changes {
		lines = append(lines, summary(&changes[i]))
	}
	return lines
}

func TestTransactionsFoldToOneChangeADocument(t *testing.T) {
	tests := []struct {
		name string
		rows []pgoutput.Message
		want []string
	}{
		{"order of first touch", []pgoutput.Message{
			insert(ordersID, "b", "acme", "1", null),
			insert(ordersID, "a", "acme", "2", null),
			update(ordersID, nil, row("b", "acme", "2", null)),
		}, []string{"1100/0 orders b acme Order closed", "1100/1 orders a acme Order closed"}},
		{"value maps", []pgoutput.Message{
			insert(ordersID, "a", null, "7", null),
			insert(ordersID, "b", "", null, null),
		}, []string{"1100/0 orders a - Order other", "1100/1 orders b  Order other"}},
		{"soft deletion", []pgoutput.Message{
			update(ordersID, nil, row("a", "acme", "1", "2020-01-01")),
		}, []string{"1100/0 orders a acme Order open deleted"}},
		{"hard deletion knows what the old key carries", []pgoutput.Message{
			remove(ordersID, "a", "acme", null, null),
		}, []string{"1100/0 orders a acme Order - deleted"}},
		{"insert then delete is a deletion", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			remove(ordersID, "a", "acme", null, null),
		}, []string{"1100/0 orders a acme Order - deleted"}},
		{"delete then insert is a save", []pgoutput.Message{
			remove(ordersID, "a", "acme", null, null),
			insert(ordersID, "a", "acme", "1", null),
		}, []string{"1100/0 orders a acme Order open"}},
		{"a row moved between partitions is a save", []pgoutput.Message{
			remove(ordersID, "a", "acme", null, null),
			insert(eastID, "1", null, "acme", "a"),
		}, []string{"1100/0 orders a acme Order open"}},
		{"a change of the id deletes the old document", []pgoutput.Message{
			update(ordersID, row("a", "acme", null, null), row("b", "acme", "1", null)),
		}, []string{"1100/0 orders a acme Order - deleted", "1100/1 orders b acme Order open"}},
		{"a change of another column of the identity does not", []pgoutput.Message{
			update(ordersID, row("a", "acme", null, null), row("a", "other", "1", null)),
		}, []string{"1100/0 orders a other Order open"}},
		{"a satellite's parent in the same transaction, first", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			insert(linesID, "1", "a"),
		}, []string{"1100/0 orders a acme Order open"}},
		{"a satellite's parent in the same transaction, last", []pgoutput.Message{
			insert(linesID, "1", "b"),
			insert(ordersID, "a", "acme", "1", null),
			insert(ordersID, "b", "acme", "2", null),
		}, []string{"1100/0 orders b acme Order closed", "1100/1 orders a acme Order open"}},
		{"a parent deleted with its satellites", []pgoutput.Message{
			remove(linesID, "1", "a"),
			remove(ordersID, "a", "acme", null, null),
			remove(linesID, "2", "a"),
		}, []string{"1100/0 orders a acme Order - deleted"}},
		{"a satellite alone has its parent looked up", []pgoutput.Message{
			update(linesID, nil, row("1", "kept")),
		}, []string{"1100/0 orders kept looked-up Order open"}},
		{"a satellite of a soft-deleted parent", []pgoutput.Message{
			remove(linesID, "1", "soft"),
		}, []string{"1100/0 orders soft looked-up Order other deleted"}},
		{"a satellite whose parent is gone yields nothing and uses its ordinal", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			insert(linesID, "1", "gone"),
			insert(ordersID, "b", "acme", "1", null),
		}, []string{"1100/0 orders a acme Order open", "1100/2 orders b acme Order open"}},
		{"a satellite moved to another parent touches both", []pgoutput.Message{
			update(linesID, row("1", "soft"), row("1", "kept")),
		}, []string{"1100/0 orders soft looked-up Order other deleted", "1100/1 orders kept looked-up Order open"}},
		{"a satellite without a parent", []pgoutput.Message{
			insert(linesID, "1", null),
			update(linesID, row("2", "kept"), row("2", null)),
		}, []string{"1100/0 orders kept looked-up Order open"}},
		{"insert-only routes make a record a row", []pgoutput.Message{
			insert(auditID, "x", "1/2"),
			insert(auditID, "x", "1/2"),
			insert(auditID, "x", null),
			update(auditID, nil, row("x", "2")),
		}, []string{"1100/0 audit x/1%2F2 - - -", "1100/1 audit x/1%2F2 - - -", "1100/2 audit x/ - - -"}},
		{"tables without a route", []pgoutput.Message{insert(strangerID, "x")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lookup := &fakeParents{rows: map[string][]changefeed.Text{
				"kept": {changefeed.NewText("looked-up"), changefeed.NewText("1"), {}},
				"soft": {changefeed.NewText("looked-up"), {}, changefeed.NewText("2020-01-01")},
			}}
			p := newPipeline(t, testConfig(), lookup)
			if err := p.take(announcements()...); err != nil {
				t.Fatal(err)
			}
			end := p.commits(tt.rows...)
			if diff := cmp.Diff(tt.want, summaries(p.publishes())); diff != "" {
				t.Error(diff)
			}
			if p.flush != end {
				t.Errorf("confirmed up to %d, want %d", p.flush, end)
			}
		})
	}
}

func TestChangeCarriesItsPositionVersionAndTransaction(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	_ = p.take(announcements()...)
	p.commits(insert(ordersID, "a", "acme", "1", null))
	c := p.publishes()[0]
	want := changefeed.Position{Source: "main", Epoch: 1, LSN: 1100}
	version, _ := changefeed.LogVersion(1, 1100)
	if c.Position != want || c.Version != version || c.XID != 1<<32+1100 {
		t.Errorf("position %v, version %d, xid %d", c.Position, c.Version, c.XID)
	}
	if c.Meta.DataSourceType != "sql" || c.Meta.DataSourceName != "main/public.orders" || c.Meta.PublishTimestamp != c.Meta.OriginalPublication {
		t.Errorf("meta %+v", c.Meta)
	}
}

// A replay meets other lookup answers. Positions must not depend on them, nor on
// how the reader and the publishing stage happened to alternate.
func TestPositionsAreTheSameOnReplay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var transactions [][]pgoutput.Message
	for range 60 {
		var rows []pgoutput.Message
		for range random.IntN(40) {
			id := fmt.Sprint(random.IntN(25))
			rows = append(rows, [...]pgoutput.Message{
				insert(ordersID, id, "acme", "1", null),
				remove(ordersID, id, "acme", null, null),
				update(ordersID, row(id, "acme", null, null), row(fmt.Sprint(random.IntN(25)), "acme", "2", null)),
				insert(linesID, "1", id),
				update(linesID, row("1", id), row("1", fmt.Sprint(random.IntN(25)))),
				insert(auditID, id, "x"),
			}[random.IntN(6)])
		}
		transactions = append(transactions, rows)
	}
	positions := func(known int, alternate bool) map[string]string {
		lookup := &fakeParents{rows: make(map[string][]changefeed.Text)}
		for i := range known {
			lookup.rows[fmt.Sprint(i)] = make([]changefeed.Text, 3)
		}
		cfg := testConfig()
		cfg.PieceDocuments = 7
		p := newPipeline(t, cfg, lookup)
		_ = p.take(announcements()...)
		for _, rows := range transactions {
			p.commits(rows...)
			if alternate {
				p.publishes()
			}
		}
		all := make(map[string]string)
		for _, c := range p.publishes() {
			all[c.Position.String()] = c.Topic + " " + c.Meta.DocumentID
		}
		return all
	}
	whole := positions(25, true)
	if len(whole) < 300 {
		t.Fatalf("only %d changes: the test is too tame", len(whole))
	}
	for _, known := range []int{0, 10, 25} {
		replayed := positions(known, false)
		for at, what := range replayed {
			if whole[at] != what {
				t.Errorf("with %d parents known, %s is %q, want %q", known, at, what, whole[at])
			}
		}
		if known == 25 && !maps.Equal(whole, replayed) {
			t.Error("the same lookups gave other changes")
		}
	}
}

func TestLargeTransactionsAreCutIntoPieces(t *testing.T) {
	for _, limit := range []struct{ documents, bytes int }{{10, 1 << 20}, {1000, 40}} {
		cfg := testConfig()
		cfg.PieceDocuments, cfg.PieceBytes = limit.documents, limit.bytes
		p := newPipeline(t, cfg, &fakeParents{})
		_ = p.take(announcements()...)
		var rows []pgoutput.Message
		for i := range 10 {
			rows = append(rows, insert(ordersID, fmt.Sprintf("a%d", i), "a", "1", null)) // 4 bytes of text
		}
		rows = append(rows, update(ordersID, nil, row("a0", "a", "1", null)))
		p.lsn += 100
		begin := pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: p.lsn, XID: 3}}
		if err := p.take(append([]pgoutput.Message{begin}, rows...)...); err != nil {
			t.Fatal(err)
		}
		if got := summaries(p.publishes()); len(got) != 10 || p.flush != 0 {
			t.Fatalf("limit %+v: %d changes and flush %d before the commit, want a first piece of 10 and 0", limit, len(got), p.flush)
		}
		if err := p.take(pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: p.lsn, EndLSN: p.lsn + 40}}); err != nil {
			t.Fatal(err)
		}
		got := summaries(p.publishes())
		if want := "1100/10 orders a0 a Order open"; len(got) != 11 || got[10] != want {
			t.Errorf("limit %+v: the second piece is %q, want %q", limit, got[10:], want)
		}
		if p.flush != p.lsn+40 {
			t.Errorf("flush %d after the commit, want %d", p.flush, p.lsn+40)
		}
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isProtocol(err error) bool { return errors.Is(err, ErrProtocol) }

func isAny(err error) bool { return err != nil }

func TestRowsThatCannotBePublishedStopThePublisher(t *testing.T) {
	inTransaction := func(messages ...pgoutput.Message) []pgoutput.Message {
		return append([]pgoutput.Message{{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: 0x1_0000_0042, XID: 1}}}, messages...)
	}
	const at = "1/42"
	commit := pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: 7, EndLSN: 8}}
	tests := []struct {
		name     string
		messages []pgoutput.Message
		want     func(error) bool
		says     []string
	}{
		{
			"a routed column is not published", inTransaction(relationOf(ordersID, "orders", "id*", "state", "deleted_on")),
			isA[*ColumnError],
			[]string{`"tenant"`, "public.orders", at, "changefeed init"},
		},
		{
			"a partition lacks it", inTransaction(relationOf(eastID, "orders_east", "id*")),
			isA[*ColumnError],
			[]string{`"tenant"`, "public.orders_east", at},
		},
		{
			"a deletion does not carry the id", inTransaction(relationOf(ordersID, "orders", "pk*", "id", "tenant", "state", "deleted_on"), remove(ordersID, "1", null, null, null, null)),
			isA[*IdentityError],
			[]string{"public.orders", at, "REPLICA IDENTITY USING INDEX", "(id)"},
		},
		{
			"a satellite's deletion does not carry its parent", inTransaction(relationOf(linesID, "lines", "line_id*", "order_id"), remove(linesID, "1", null)),
			isA[*IdentityError],
			[]string{"public.lines", at, "(order_id)"},
		},
		{
			"a column of the id was not sent", inTransaction(update(ordersID, nil, row(unsent, "acme", "1", null))),
			isA[*UnsentError],
			[]string{`"id"`, at},
		},
		{
			"a routed column was not sent", inTransaction(update(ordersID, nil, row("a", "acme", unsent, null))),
			isA[*UnsentError],
			[]string{`"state"`, at},
		},
		{"a deletion rule about bits on a text", inTransaction(relationOf(flagsID, "flags", "id*", "flags"), insert(flagsID, "a", "x")), isAny, []string{"public.flags", at, "bit"}},
		{"a row of a table that was not announced", inTransaction(insert(77, "x")), isProtocol, []string{"77"}},
		{"a row with other columns than announced", inTransaction(insert(ordersID, "x")), isProtocol, []string{"public.orders"}},
		{"a row outside a transaction", []pgoutput.Message{insert(ordersID, "a", "acme", "1", null)}, isProtocol, nil},
		{"a transaction in a transaction", inTransaction(inTransaction()...), isProtocol, []string{at}},
		{"a commit of another transaction", inTransaction(commit), isProtocol, []string{at}},
		{"a commit of none", []pgoutput.Message{commit}, isProtocol, nil},
		{"a log position beyond versions", []pgoutput.Message{{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: 1 << 52}}}, isAny, []string{"version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			p := newPipeline(t, cfg, &fakeParents{})
			for _, r := range p.routes {
				r.lookup = nil // what is not sent cannot be looked up
			}
			if err := p.take(announcements()...); err != nil {
				t.Fatal(err)
			}
			err := p.take(tt.messages...)
			if err == nil {
				t.Fatal("no error")
			}
			if !tt.want(err) {
				t.Errorf("error is %T: %v", err, err)
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %s", err, part)
				}
			}
			if p.publishes(); p.flush != 0 {
				t.Errorf("confirmed up to %d", p.flush)
			}
		})
	}
}

func TestCountersTellWhatWasLeftOut(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	_ = p.take(announcements()...)
	p.commits(
		insert(strangerID, "x"),
		remove(auditID, "x", "y"),
		insert(linesID, "1", null),
		insert(linesID, "1", "gone"),
		pgoutput.Message{Kind: pgoutput.KindTruncate, Truncate: pgoutput.Truncate{RelationIDs: []uint32{ordersID, strangerID}}},
		insert(ordersID, "a", "acme", "1", null),
		pgoutput.Message{Kind: pgoutput.KindMessage, Logical: pgoutput.LogicalMessage{Transactional: true}},
	)
	p.commits()
	p.publishes()
	got := p.counters.stats()
	want := Stats{Transactions: 2, Rows: 5, Published: 1, ParentsGone: 1, WithoutDocument: 1, Ignored: 2, Truncates: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestManyDocumentsAreFoundAgain(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	_ = p.take(announcements()...)
	for range 2 { // the second time in memory that is used again
		var rows []pgoutput.Message
		for range 2 {
			for i := range 3000 {
				rows = append(rows, insert(ordersID, fmt.Sprint(i), "acme", "1", null), insert(auditID, fmt.Sprint(i), "1"))
			}
		}
		before := len(p.sink.Changes())
		p.commits(rows...)
		ids := make(map[string]int)
		for _, c := range p.publishes()[before:] {
			ids[c.Topic+c.Meta.DocumentID]++
		}
		if len(ids) != 6000 || ids["orders2999"] != 1 || ids["audit7/1"] != 2 {
			t.Fatalf("%d documents, orders2999 %d times, audit7/1 %d times", len(ids), ids["orders2999"], ids["audit7/1"])
		}
	}
}
