package pillows

import (
	"context"
	"fmt"

	"changefeed"
	"changefeed/docstore"
)

// Processor is what a pillow does with changes and their documents.
type Processor interface {
	// Name is unique among the processors of a pillow: it stands in logs, in
	// metrics and in the error store.
	Name() string
	// Process works on a batch. It may be called again with the same items, and
	// with older ones after a restart, so it must refuse what is older than what
	// it has, by Change.Version, and settle it as Superseded. At the version that
	// the sink has already, a deletion is refused, and a save must be written over
	// a deletion; over a save it may be: the package documentation says why. Where
	// items of several data sources are one document to the sink, this holds for
	// them too, whatever their order in the batch.
	//
	// On nil every item that it did not settle is Applied. A [*BatchError] says
	// which items failed by themselves; the others are done. Any other error
	// concerns the sink as a whole, and the batch is given again later.
	// Calls for different partitions come at the same time. When ctx ends, the
	// partition may belong to another process already: Process returns soon, with
	// an error; what it has written by then does no harm.
	Process(ctx context.Context, b *Batch) error
}

// Item is the newest change of one document in a batch, and the document.
type Item struct {
	// Change is as it was read, except that it is a deletion where the document
	// store knows that the document was deleted since.
	Change changefeed.Change
	// Document is empty where Change.Meta.IsDeletion. Else it is at least as new
	// as the change.
	Document docstore.Document
}

// Batch is what one call of Process works on: at most one item for each
// document of a data source. The items are shared between processors and must not
// be changed, nor kept after the call.
type Batch struct {
	Items []Item

	verdicts []Verdict // of this processor, by item
}

// NewBatch returns a batch of items without verdicts.
func NewBatch(items []Item) *Batch {
	return &Batch{Items: items, verdicts: make([]Verdict, len(items))}
}

// Settle gives item i its verdict. What is not settled when Process returns nil
// is Applied.
func (b *Batch) Settle(i int, v Verdict) { b.verdicts[i] = v }

// Verdict returns what item i was settled as, or Open.
func (b *Batch) Verdict(i int) Verdict { return b.verdicts[i] }

// BatchError says which items of a batch failed, each for a reason of its own.
// All other items of the batch are done.
type BatchError struct {
	Failed []ItemError
}

// ItemError is the failure of one item.
type ItemError struct {
	Index int // in Batch.Items
	Err   error
}

// Error names the number of failures and the first of them.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "no item failed"
	}
	return fmt.Sprintf("%d items failed, the first: %v", len(e.Failed), e.Failed[0].Err)
}

// Unwrap returns the errors of the items.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i := range e.Failed {
		errs[i] = e.Failed[i].Err
	}
	return errs
}
