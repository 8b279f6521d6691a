package docstoretest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"changefeed/docstore"
)

// readAll reads documents until each has been given, and returns how many each
// read gave. What a read gives must fit, unless it is one document.
func readAll(t *testing.T, f Fixture, state string, ids ...string) (given []int) {
	t.Helper()
	for len(ids) > 0 {
		var size, documents int
		var left []string
		for i, r := range read(t, f.Store, nil, ids...) {
			if errors.Is(r.Err, docstore.ErrNotRead) {
				left = append(left, ids[i])
				continue
			}
			wantState(t, r, ids[i], state)
			documents++
			size += len(r.Document.Body)
		}
		if documents == 0 {
			t.Fatalf("a read of %d documents gave none", len(ids))
		}
		if size > docstore.MaxBytes && documents > 1 {
			t.Errorf("a read gave %d documents with %d bytes, more than %d", documents, size, docstore.MaxBytes)
		}
		given, ids = append(given, documents), left
	}
	return given
}

func testLargeRead(t *testing.T, f Fixture) {
	state := strings.Repeat("x", docstore.MaxBytes/4)
	ids := make([]string, 7)
	for i := range ids {
		ids[i] = fmt.Sprint("large ", i)
		f.Save(t, ids[i], state)
	}
	// With what is around a state, three fit.
	if given := readAll(t, f, state, ids...); !slices.Equal(given, []int{3, 3, 1}) {
		t.Errorf("the reads gave %v documents, want 3, 3 and 1", given)
	}

	// The other answers are those of any read, and one document counts once.
	asked := []string{"none", ids[0], ids[0], ids[0], ids[0], ids[1], ids[2], ids[3], ids[3], "none"}
	results := read(t, f.Store, nil, asked...)
	given := make(map[string]bool)
	for i, r := range results {
		again := slices.Index(asked, asked[i])
		switch {
		case asked[i] == "none" && !errors.Is(r.Err, docstore.ErrNotFound):
			t.Errorf("missing document: %v, want ErrNotFound", r.Err)
		case (r.Err == nil) != (results[again].Err == nil):
			t.Errorf("%s: %v the first time, %v when asked for again", asked[i], results[again].Err, r.Err)
		case r.Err == nil:
			given[asked[i]] = true
		}
	}
	if len(given) != 3 {
		t.Errorf("%d documents were given, want 3", len(given))
	}
}

func testLargeDocument(t *testing.T, f Fixture) {
	state := strings.Repeat("x", docstore.MaxBytes+1)
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		f.Save(t, id, state)
	}
	if given := readAll(t, f, state, ids...); !slices.Equal(given, []int{1, 1, 1}) {
		t.Errorf("the reads gave %v documents, want one each", given)
	}
}
