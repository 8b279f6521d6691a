// Package docstoretest is the conformance suite of document stores: what every
// [docstore.Store] promises, whatever it reads from.
package docstoretest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"changefeed/docstore"
)

// Fixture is a store to test, without documents, and what changes its documents.
// Each document is an object whose field "state" is a text.
type Fixture struct {
	Store docstore.Store
	// Waits receives a value each time Store begins to wait for its horizon.
	Waits <-chan struct{}
	// Save commits a document.
	Save func(tb testing.TB, id, state string)
	// Delete commits the deletion of a document.
	Delete func(tb testing.TB, id string)
	// Begin saves a document in a transaction that is left open until commit is
	// called, and returns the horizon of the change. What is not committed at the
	// end of the test is the fixture's to undo.
	Begin func(tb testing.TB, id, state string) (at docstore.Horizon, commit func())
	// BadID is an id that cannot be converted. Empty: the store takes any.
	BadID string
}

// NewWaits returns a hook for a store to call when it begins to wait, and the
// channel for Fixture.Waits. The hook never blocks.
func NewWaits() (hook func(), waits <-chan struct{}) {
	c := make(chan struct{}, 1)
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}, c
}

// How long the store of a fixture waits for its horizon: for as long as the test
// wants it to, or in vain.
const (
	patient   = time.Minute
	impatient = 20 * time.Millisecond
)

// Run runs the suite, with a new fixture for each test, whose store waits that
// long for its horizon.
func Run(t *testing.T, open func(t *testing.T, wait time.Duration) Fixture) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f Fixture)
		wait time.Duration
	}{
		{"ResultsAreInTheOrderOfIDs", testOrder, patient},
		{"AnIDAskedForTwiceIsAnsweredTwice", testDuplicates, patient},
		{"AMissingDocumentIsNotFound", testMissing, patient},
		{"ADeletedDocumentIsNotGiven", testDeleted, patient},
		{"NoIDsGiveNoResults", testEmptyBatch, patient},
		{"ABatchHasALimit", testLimit, patient},
		{"ALargeReadIsGivenInParts", testLargeRead, patient},
		{"ADocumentLargerThanAReadIsGivenAlone", testLargeDocument, patient},
		{"AnyTextCanBeAnID", testUnusualIDs, patient},
		{"ABadIDFailsAlone", testBadID, patient},
		{"ACancelledReadEnds", testCancelled, patient},
		{"AReadWithoutHorizonDoesNotWait", testNoHorizon, patient},
		{"MarksOfOtherSourcesAreIgnored", testOtherSource, patient},
		{"AReadWaitsForItsHorizon", testWait, patient},
		{"AReadWaitsForEveryTransactionOfItsHorizon", testWaitForEach, patient},
		{"AReadGivesUpRatherThanGiveAnOlderDocument", testNotVisible, impatient},
		{"OneOpenTransactionOfTheHorizonIsEnoughToGiveUp", testOneOpen, impatient},
		{"AWaitingReadCanBeCancelled", testCancelledWait, patient},
		{"ReadsBesideWritesNeverGoBack", testConcurrency, patient},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t, test.wait)) })
	}
}

// read is GetMany without an error of the batch.
func read(t *testing.T, s docstore.Store, at docstore.Horizon, ids ...string) []docstore.Result {
	t.Helper()
	results, err := s.GetMany(t.Context(), at, ids)
	if err != nil {
		t.Fatalf("GetMany(%q): %v", ids, err)
	}
	if len(results) != len(ids) {
		t.Fatalf("GetMany(%q): %d results for %d ids", ids, len(results), len(ids))
	}
	return results
}

// stateOf returns the state in a result's document.
func stateOf(r docstore.Result) (string, error) {
	if r.Err != nil {
		return "", r.Err
	}
	var body struct{ State string }
	if err := json.Unmarshal(r.Document.Body, &body); err != nil {
		return "", fmt.Errorf("decode body %s: %w", r.Document.Body, err)
	}
	return body.State, nil
}

// wantState wants the document of an id in a state.
func wantState(t *testing.T, r docstore.Result, id, want string) {
	t.Helper()
	state, err := stateOf(r)
	switch {
	case err != nil:
		t.Errorf("document %q: %v", id, err)
	case r.Document.ID != id:
		t.Errorf("document %q: its ID is %q", id, r.Document.ID)
	case state != want:
		t.Errorf("document %q: state %q, want %q", id, state, want)
	}
}
