package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/docstore"
	"changefeed/docstore/docstoretest"
	"changefeed/docstore/postgres"
)

func TestRowStoreConforms(t *testing.T) {
	pool := openDatabase(t)
	docstoretest.Run(t, func(t *testing.T, wait time.Duration) docstoretest.Fixture {
		execute(t, pool, `DROP TABLE IF EXISTS documents; CREATE TABLE documents (id text PRIMARY KEY, state text)`)
		const save = `INSERT INTO documents VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET state = excluded.state`
		hook, waits := docstoretest.NewWaits()
		return docstoretest.Fixture{
			Store: newStore(t, pool, func(cfg *postgres.Config) { cfg.VisibilityWait, cfg.OnWait = wait, hook }),
			Waits: waits,
			BadID: "a\x00b",
			Save:  func(tb testing.TB, id, state string) { execute(tb, pool, save, id, state) },
			Delete: func(tb testing.TB, id string) {
				execute(tb, pool, `DELETE FROM documents WHERE id = $1`, id)
			},
			Begin: func(tb testing.TB, id, state string) (docstore.Horizon, func()) {
				tx, at := begin(tb, pool, save, id, state)
				return at, func() { commit(tb, tx) }
			},
		}
	})
}

func TestDocumentIsTheRow(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE TABLE documents (id int PRIMARY KEY, kind text, "Tenant" text, total numeric(10,2), paid boolean, at timestamptz, t text, tags text[]);
		INSERT INTO documents VALUES
			(1, 'order', 'north', 12.50, true, '2026-03-01 12:00:00.5+01', 'a column named t', '{a,"b c"}'),
			(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	store := newStore(t, pool, func(cfg *postgres.Config) {
		cfg.Type, cfg.Domain = postgres.Field{Column: "kind"}, postgres.Field{Column: "Tenant"}
	})
	results := getMany(t, store, nil, "2", "1")
	want := docstore.Document{
		ID: "1", Type: changefeed.NewText("order"), Domain: changefeed.NewText("north"),
		Body: json.RawMessage(`{"t": "a column named t", "at": "2026-03-01T11:00:00.5+00:00", "id": 1, "kind": "order", "paid": true, "tags": ["a", "b c"], "total": 12.50, "Tenant": "north"}`),
	}
	if diff := cmp.Diff(docstore.Result{Document: want}, results[1]); diff != "" {
		t.Errorf("document 1 (-want +got):\n%s", diff)
	}
	want = docstore.Document{
		ID:   "2",
		Body: json.RawMessage(`{"t": null, "at": null, "id": 2, "kind": null, "paid": null, "tags": null, "total": null, "Tenant": null}`),
	}
	if diff := cmp.Diff(docstore.Result{Document: want}, results[0]); diff != "" {
		t.Errorf("document 2 (-want +got):\n%s", diff)
	}

	constant := newStore(t, pool, func(cfg *postgres.Config) {
		cfg.Type, cfg.Domain = postgres.Field{Constant: changefeed.NewText("Order")}, postgres.Field{Column: "kind"}
	})
	got := getMany(t, constant, nil, "1")[0].Document
	if got.Type != changefeed.NewText("Order") || got.Domain != changefeed.NewText("order") {
		t.Errorf("type %v and domain %v, want the constant Order and the column's order", got.Type, got.Domain)
	}
}

func TestNamesAreTakenAsInTheCatalogue(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE SCHEMA "My ""Schema""";
		CREATE TABLE "My ""Schema"""."Order; DROP" ("Id" int, "select" int, "it's" text, PRIMARY KEY ("Id", "select"));
		INSERT INTO "My ""Schema"""."Order; DROP" VALUES (1, 2, 'x')`)
	store := newStore(t, pool, withID("Id", "select"), func(cfg *postgres.Config) {
		cfg.Schema, cfg.Table, cfg.Domain = `My "Schema"`, "Order; DROP", postgres.Field{Column: "it's"}
	})
	r := getMany(t, store, nil, "1/2")[0]
	if r.Err != nil || r.Document.Domain.String != "x" {
		t.Errorf("document 1/2: %+v", r)
	}
}

func TestJoinedIDsAreMatchedRowByRow(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE TABLE documents (tenant text, number int, paid boolean, PRIMARY KEY (tenant, number, paid));
		INSERT INTO documents VALUES ('a', 1, true), ('a', 2, false), ('b', 1, false), ('x/y', 1, true), ('50%', 1, true), ('', 1, true)`)
	store := newStore(t, pool, withID("tenant", "number", "paid"))
	found := []string{"a/1/t", "a/2/f", "b/1/f", "x%2Fy/1/t", "50%25/1/t", "/1/t"}
	missing := []string{"b/2/f", "a/1/f", "a/01/t", "a/1/true", "b%/1/f"}
	bad := []string{"a/1", "a/1/t/", "a", "", "a/one/t", "a/1/maybe"}
	ids := append(append(append(append([]string{}, found...), missing...), bad...), found...)
	for i, r := range getMany(t, store, nil, ids...) {
		switch n := i; {
		case n < len(found) || n >= len(ids)-len(found):
			if r.Err != nil || r.Document.ID != ids[i] {
				t.Errorf("id %q: %+v, want its document", ids[i], r)
			}
		case n < len(found)+len(missing):
			if !errors.Is(r.Err, docstore.ErrNotFound) {
				t.Errorf("id %q: %+v, want ErrNotFound", ids[i], r)
			}
		default:
			if !errors.Is(r.Err, docstore.ErrConvert) {
				t.Errorf("id %q: %+v, want ErrConvert", ids[i], r)
			}
		}
	}
}

func TestRowsThatShareAnIDAreAnError(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE TABLE documents (id int);
		INSERT INTO documents SELECT g % 3 FROM generate_series(1, 30000) g`)
	store := newStore(t, pool)
	_, err := store.GetMany(t.Context(), nil, []string{"7", "2", "1"})
	if err == nil || !strings.Contains(err.Error(), "document_id") {
		t.Errorf("GetMany of ids with 10,000 rows each: %v, want an error that says which setting is wrong", err)
	}
	if r := getMany(t, store, nil, "7")[0]; !errors.Is(r.Err, docstore.ErrNotFound) {
		t.Errorf("afterwards: %v, want ErrNotFound", r.Err)
	}
}

func TestWhatDoesNotConvertFailsAlone(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE TABLE documents (id int PRIMARY KEY, data json);
		INSERT INTO documents SELECT g, '{"a": 1}' FROM generate_series(1, 498) g;
		UPDATE documents SET data = '{"a": "\u0000"}' WHERE id = 77`) // valid json, but no jsonb
	store := newStore(t, pool)
	bad := map[string]bool{"abc": true, "99999999999": true, "": true, "77": true, "\xff": true}
	ids := []string{"abc"}
	for i := range 495 {
		ids = append(ids, fmt.Sprint(i+1))
	}
	ids = append(ids, "99999999999", "", "abc", "\xff")
	for i, r := range getMany(t, store, nil, ids...) {
		switch id := ids[i]; {
		case bad[id] && !errors.Is(r.Err, docstore.ErrConvert):
			t.Errorf("id %q: %v, want ErrConvert", id, r.Err)
		case !bad[id] && (r.Err != nil || r.Document.ID != id):
			t.Errorf("id %q: document %q and error %v", id, r.Document.ID, r.Err)
		}
	}
}

func TestABatchIsOneRoundTrip(t *testing.T) {
	var trips roundTrips
	owner := openDatabase(t)
	execute(t, owner, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents SELECT generate_series(1, 1000)`)
	pool := openPool(t, owner.Config().ConnString(), trips.trace)
	store := newStore(t, pool)
	ids := make([]string, docstore.MaxBatch)
	for i := range ids {
		ids[i] = fmt.Sprint(i + 1)
	}
	tx, at := begin(t, owner, `UPDATE documents SET id = id WHERE id = 1`)
	commit(t, tx)
	getMany(t, store, at, ids...) // looks up the columns' types, too
	for _, n := range []int{1, 50, len(ids)} {
		trips.n.Store(0)
		getMany(t, store, at, ids[:n]...)
		if got := trips.n.Load(); got != 1 {
			t.Errorf("%d ids: %d round trips, want 1", n, got)
		}
	}
	trips.n.Store(0)
	getMany(t, store, at, append(ids[:400:400], "abc")...)
	if got := trips.n.Load(); got > 20 {
		t.Errorf("a bad id among 400: %d round trips, want at most 20", got)
	}
}

func TestColumnsAreTheTextOfTheOutputFunctions(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `
		CREATE TYPE place AS (x int, y int);
		CREATE TABLE documents (id int PRIMARY KEY, paid boolean, code char(4), at timestamptz, ip inet, blob bytea, spot place, note text);
		INSERT INTO documents VALUES
			(1, true, 'ab', '2026-03-01 12:00+01', '10.0.0.1', '\x00ff', ROW(NULL, NULL), ''),
			(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	store := newStore(t, pool)
	got, err := store.Columns(t.Context(), nil, []string{"2", "3", "1", "abc", "1"},
		[]string{"note", "paid", "code", "at", "ip", "blob", "spot"})
	if err != nil {
		t.Fatal(err)
	}
	var one []changefeed.Text
	for _, s := range []string{"", "t", "ab  ", "2026-03-01 11:00:00+00", "10.0.0.1", `\x00ff`, "(,)"} {
		one = append(one, changefeed.NewText(s))
	}
	want := [][]changefeed.Text{make([]changefeed.Text, 7), nil, one, nil, one}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Columns (-want +got):\n%s", diff)
	}
	if _, err := store.Columns(t.Context(), nil, []string{"1"}, []string{"nope"}); err == nil || !strings.Contains(err.Error(), "nope") {
		t.Errorf("a column that does not exist: %v, want an error that names it", err)
	}
}

func TestColumnsWaitForTheirHorizon(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY, state text); INSERT INTO documents VALUES (1, 'old')`)
	tx, at := begin(t, pool, `UPDATE documents SET state = 'new' WHERE id = 1`)
	if got, err := newStore(t, pool).Columns(t.Context(), at, []string{"1"}, []string{"state"}); !errors.Is(err, docstore.ErrNotVisible) {
		t.Fatalf("Columns: %v and error %v, want ErrNotVisible", got, err)
	}
	store := newStore(t, pool, patient, func(cfg *postgres.Config) { cfg.OnWait = func() { commit(t, tx) } })
	got, err := store.Columns(t.Context(), at, []string{"1"}, []string{"state"})
	if err != nil || got[0][0].String != "new" {
		t.Errorf("Columns: %v and error %v, want the committed state", got, err)
	}
}
