package cdc

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

func TestRelationSentAgainIsCompiledAgain(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	_ = p.take(announcements()...)
	p.commits(
		insert(ordersID, "a", "acme", "1", null),
		relationOf(ordersID, "orders", "tenant*", "id*", "note", "deleted_on", "state"),
		insert(ordersID, "acme", "b", "n", null, "2"),
	)
	want := []string{"1100/0 orders a acme Order open", "1100/1 orders b acme Order closed"}
	if diff := cmp.Diff(want, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}

func TestRoutedTableThatLosesItsRouteStopsThePublisher(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	_ = p.take(announcements()...)
	end := p.commits(insert(ordersID, "a", "acme", "1", null))
	p.lsn += 100
	err := p.take(
		pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: p.lsn, XID: 3}},
		relationOf(ordersID, "orders_old", "id*", "tenant*", "state", "deleted_on"),
	)
	unrouted, ok := errors.AsType[*UnroutedError](err)
	if !ok || unrouted.LSN != p.lsn || !strings.Contains(err.Error(), "ALTER TABLE public.orders_old RENAME TO orders") {
		t.Fatalf("error is %T: %v", err, err)
	}
	if p.publishes(); p.flush != end {
		t.Errorf("confirmed %d, want %d", p.flush, end)
	}
}

// The log goes on naming a table as it was.
func TestTableIsReadUnderTheNameThatItHasNow(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	p.namesNow[ordersID] = []TableName{{"public", "orders"}}
	p.commits(relationOf(ordersID, "orders_old", "id*", "tenant*", "state", "deleted_on"), insert(ordersID, "a", "acme", "1", null))
	if diff := cmp.Diff([]string{"1100/0 orders a acme Order open"}, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}

func TestTablesAreRenamedBackByOneStatementOrTwo(t *testing.T) {
	orders := TableName{"public", "orders"}
	for now, want := range map[TableName]string{
		{"public", "Old"}:   `ALTER TABLE public."Old" RENAME TO orders`,
		{"old", "orders"}:   `ALTER TABLE old.orders SET SCHEMA public`,
		{"old", "orders_2"}: `ALTER TABLE old.orders_2 SET SCHEMA public; ALTER TABLE public.orders_2 RENAME TO orders`,
	} {
		if got := renameBack(now, orders); got != want {
			t.Errorf("%v: %s, want %s", now, got, want)
		}
	}
}

func TestPartitionsWithRoutesOfTheirOwnShareDocuments(t *testing.T) {
	cfg := testConfig()
	cfg.Tables[0].DataSourceName = "orders"
	east := cfg.Tables[0]
	east.Name.Name = "orders_east"
	east.DocumentSubtype, east.Domain = Value{}, Value{Constant: changefeed.NewText("east")}
	cfg.Tables = append(cfg.Tables, east)
	p := newPipeline(t, cfg, &fakeParents{})
	_ = p.take(announcements()...)
	p.commits(
		remove(ordersID, "a", "acme", null, null),
		insert(eastID, "1", null, "acme", "a"),
		insert(linesID, "1", "a"),
	)
	p.commits(
		remove(eastID, null, null, "acme", "a"),
		insert(ordersID, "a", "acme", "1", null),
	)
	want := []string{"1100/0 orders a east Order -", "1200/0 orders a acme Order open"}
	if diff := cmp.Diff(want, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}
