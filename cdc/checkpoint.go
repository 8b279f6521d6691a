package cdc

import (
	"context"
	"errors"

	"changefeed"
)

// Checkpoint is how far a source has been published, as its publisher remembers
// it from one session to the next. The slot remembers that too, but goes back
// when the server crashes, and knows nothing of what the topics hold beyond it.
type Checkpoint struct {
	// System is the server's system identifier, Timeline that of its log.
	System   string
	Timeline int32
	// Epoch of the source's positions.
	Epoch uint32
	// LSN is where a transaction with documents ends: it, and every one that ends
	// before, is in the topics as a whole. 0: none of the epoch.
	LSN uint64
	// Acknowledged is the highest position such that it and all below it are in
	// the topics. It can be inside of a transaction that ends beyond LSN. Zero:
	// none is known.
	Acknowledged changefeed.Position
	// Offsets are places in the topics that no record of this source, epoch and
	// layout with a position above Acknowledged lies before. They have as many
	// partitions as the topics had when the session began.
	Offsets changefeed.Offsets
	// Layout says what positions depend on beside the log: where it differs, the
	// same position can be that of another change.
	Layout string
	// Closed: the session that saved it ended in order, so that no record of it
	// can arrive any more.
	Closed bool
}

// ErrFenced is returned by Checkpoints.Save after another publisher has claimed
// the source.
var ErrFenced = errors.New("another publisher has taken the source over")

// Checkpoints keeps the checkpoints of sources, and the one sequence that their
// epochs come from.
type Checkpoints interface {
	// Claim returns the checkpoint of a source, nil where there is none, and a
	// claim, with which to save: earlier claims of the source cannot any more.
	Claim(ctx context.Context, source string) (claim int64, saved *Checkpoint, err error)
	// Save replaces the checkpoint of a source. It returns an error that wraps
	// ErrFenced where the claim is not the last one.
	Save(ctx context.Context, source string, claim int64, c Checkpoint) error
	// NextEpoch returns an epoch that no source has had, and that is above the
	// one given. It is used up whether or not a checkpoint is saved with it.
	NextEpoch(ctx context.Context, above uint32) (uint32, error)
}

// Tails reads what the topics hold of a source.
type Tails interface {
	// Read calls each with the position of every record of the source from the
	// given offsets to the present ends, in the order of the offsets within a
	// partition, and returns these ends, all partitions included. A partition
	// without an offset, or with one that it does not have (any more), is read
	// from its nearest. settled says that nothing can be on its way to the topics;
	// else the ends are those that have not moved for a moment.
	Read(ctx context.Context, source string, topics []string, from changefeed.Offsets, settled bool, each func(changefeed.Position) error) (changefeed.Offsets, error)
	// Last calls each with the positions of the source among the last records of
	// each partition, a bounded number of them, and returns the ends.
	Last(ctx context.Context, source string, topics []string, each func(changefeed.Position) error) (changefeed.Offsets, error)
}
