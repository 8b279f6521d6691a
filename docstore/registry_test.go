package docstore_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/docstore"
)

func TestRegistryFindsTheStoreOfAChange(t *testing.T) {
	var orders, users docstore.Memory
	var r docstore.Registry
	for name, store := range map[string]docstore.Store{"orders": &orders, "users": &users} {
		if err := r.Register(name, store); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		why  string
		meta changefeed.Meta
		want docstore.Store
	}{
		{"the name field", changefeed.Meta{DataSourceType: "sql", DataSourceName: "orders"}, &orders},
		{"an old message has the name in the type field", changefeed.Meta{DataSourceType: "users", DataSourceName: "db"}, &users},
		{"the name field comes first", changefeed.Meta{DataSourceType: "users", DataSourceName: "orders"}, &orders},
	} {
		got, err := r.Lookup(&test.meta)
		if err != nil || got != test.want {
			t.Errorf("%s: Lookup gives store %p and error %v, want %p", test.why, got, err, test.want)
		}
	}
}

func TestRegistryNamesWhatItHasWhereAStoreIsMissing(t *testing.T) {
	var r docstore.Registry
	for _, name := range []string{"users", "orders"} {
		if err := r.Register(name, &docstore.Memory{}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"orders", "users"}, r.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	store, err := r.Lookup(&changefeed.Meta{DataSourceType: "sql", DataSourceName: "forms"})
	if err == nil || store != nil {
		t.Fatalf("Lookup of an unknown source: store %v and error %v, want an error alone", store, err)
	}
	for _, word := range []string{`"forms"`, `"sql"`, "orders, users"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %s: %v", word, err)
		}
	}
}

func TestRegistryRefusesASecondStoreOfASource(t *testing.T) {
	var r docstore.Registry
	first := &docstore.Memory{}
	if err := r.Register("orders", first); err != nil {
		t.Fatal(err)
	}
	if err := r.Register("orders", &docstore.Memory{}); err == nil {
		t.Error("a second store is registered without an error")
	}
	got, err := r.Lookup(&changefeed.Meta{DataSourceName: "orders"})
	if err != nil || got != first {
		t.Errorf("Lookup gives store %p and error %v, want the first, %p", got, err, first)
	}
}
