package docstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"changefeed"
)

// Document is the current state of one document.
type Document struct {
	ID  string
	Rev string // CouchDB's _rev; empty elsewhere
	// Type and Domain are null where the store does not know them.
	Type   changefeed.Text
	Domain changefeed.Text
	// Body is the document as a JSON object.
	Body json.RawMessage
	// Deleted says that the document is there and marked as deleted.
	Deleted bool
}

// Result is the answer for one id: a document, or the error that says why there
// is none.
type Result struct {
	Document Document
	Err      error // nil, or wraps one of the errors below
}

// The errors of a Result. They concern one document; an error of GetMany itself
// concerns the whole batch and is worth another try.
var (
	// ErrNotFound: no such document in a snapshot that holds the horizon.
	ErrNotFound = errors.New("document not found")
	// ErrDeleted: the store knows that the document was deleted.
	ErrDeleted = errors.New("document deleted")
	// ErrConvert: the document or its id cannot be converted.
	ErrConvert = errors.New("document cannot be converted")
	// ErrNotRead: other documents filled the read, see MaxBytes. Ask again.
	ErrNotRead = errors.New("document not read yet, because others filled the read")
)

// ErrNotVisible is returned by GetMany where the horizon is not visible yet
// after a short wait. Another try later will do.
var ErrNotVisible = errors.New("changes are not visible in the document store yet")

// DefaultVisibilityWait is how long a store waits for a horizon that is not
// visible yet, unless it is told otherwise.
const DefaultVisibilityWait = 2 * time.Second

// MaxBatch is the greatest number of ids of one GetMany.
const MaxBatch = 500

// MaxBytes bounds the bodies of the documents of one GetMany, together and in
// bytes. A document that is larger is given alone.
const MaxBytes = 8 << 20

// Store reads the current documents of one source.
type Store interface {
	// GetMany returns one result for each id, in the order of ids, in a constant
	// number of queries. Everything that the horizon names is visible in what it
	// reads. At most MaxBatch ids may be asked for. Documents that do not fit into
	// MaxBytes have the error ErrNotRead, but at least one is given, if there is
	// any. An id asked for twice is answered the same twice, and counts once.
	GetMany(ctx context.Context, at Horizon, ids []string) ([]Result, error)
}
