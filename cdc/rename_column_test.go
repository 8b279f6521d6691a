package cdc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc/internal/pgoutput"
)

// presentColumns reads names of columns with their types, "~" before those that
// are not published.
func presentColumns(names string) (all []presentColumn) {
	for field := range strings.FieldsSeq(names) {
		name, typ, typed := strings.Cut(field, ":")
		c := presentColumn{typ: 25}
		if typed {
			c.typ = uint32(typ[0])
		}
		plain, unlisted := strings.CutPrefix(name, "~")
		c.name, c.published = plain, !unlisted
		all = append(all, c)
	}
	return all
}

func TestColumnsAreRenamedOnlyWhereNothingElseExplainsThem(t *testing.T) {
	for _, tt := range []struct{ name, logged, present, want string }{
		{"renamed", "id tenant state", "id org state", "id org state"},
		{"two renamed", "id tenant state", "id org ~note phase", "id org phase"},
		{"beside columns that are not published", "id tenant", "~a id ~note org ~b", "id org"},
		{"nothing was renamed", "id tenant", "id tenant", ""},
		{"swapped", "id tenant state", "id state tenant", ""},
		{"renamed to the former name of another", "id tenant state", "id state phase", ""},
		{"renamed, and two others swapped", "id a b tenant", "id b a org", ""},
		{"the former name is another column's now", "id tenant", "id org ~tenant", ""},
		{"of another type", "id tenant", "id org:i", ""},
		{"another column is of another type", "id tenant", "id:i org", ""},
		{"a column was added", "id tenant", "id org state", ""},
		{"a column was dropped", "id tenant state", "id org", ""},
		{"the table is gone, or its list has changed", "id tenant", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged []pgoutput.Column
			for _, c := range presentColumns(tt.logged) {
				logged = append(logged, pgoutput.Column{Name: c.name, TypeOID: c.typ})
			}
			columns, renames := renamedColumns(logged, presentColumns(tt.present))
			var names []string
			if len(renames) > 0 {
				for _, c := range columns {
					names = append(names, c.Name)
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("columns %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRowsUnderFormerNamesOfColumnsAreRead(t *testing.T) {
	p := newPipeline(t, testConfig(), &fakeParents{})
	p.columnsNow = map[uint32][]presentColumn{ordersID: presentColumns("~note id ~more tenant state deleted_on")}
	p.commits(
		relationOf(ordersID, "orders", "number*", "org*", "state", "deleted_on"), insert(ordersID, "a", "acme", "1", null),
		relationOf(ordersID, "orders", "id*", "tenant*", "state", "deleted_on"), insert(ordersID, "b", "acme", "1", null),
	)
	if diff := cmp.Diff([]string{"1100/0 orders a acme Order open", "1100/1 orders b acme Order open"}, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}
