package cdc

import (
	"context"
	"time"
)

// xidClock extends the 32-bit transaction ids of the log by their epoch. The
// server keeps all ids that are in use, or still in the log that the slot holds,
// within 2³¹ of its next one: so the 64-bit id is the one nearest to a reference
// that is recent enough.
type xidClock struct {
	reference uint64 // the server's next id as last read, or the highest one streamed since
	at        time.Time
	read      func(context.Context) (uint64, error) // asks the server for its next id
}

// xidMaxAge is how old a reference may become: no server gives out 2³¹ ids in
// that time.
const xidMaxAge = time.Hour

// set takes a reference that was just read.
func (c *xidClock) set(reference uint64) {
	c.reference = max(c.reference, reference)
	c.at = time.Now()
}

// extend returns the 64-bit id.
func (c *xidClock) extend(ctx context.Context, xid uint32) (uint64, error) {
	if time.Since(c.at) > xidMaxAge {
		reference, err := c.read(ctx)
		if err != nil {
			return 0, err
		}
		c.set(reference)
	}
	distance := int32(xid - uint32(c.reference)) // wraps around as the ids do
	full := c.reference + uint64(int64(distance))
	c.set(full)
	return full, nil
}
