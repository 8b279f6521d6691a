package docstore

import (
	"slices"

	"changefeed"
)

// Horizon is what a read must be able to see: of each source, the transactions
// that made the changes and the highest position of their commits.
type Horizon map[string]*Marks

// Marks is the horizon of one source.
type Marks struct {
	Epoch uint32
	XIDs  []uint64 // distinct, ascending, 64-bit
	LSN   uint64   // the highest start of a commit record
}

// Add extends the horizon by one change. A change without a position adds
// nothing: nobody knows what would have to be visible for it. Of several epochs
// only the newest counts, because what an older one committed is either visible
// since long or gone.
func (h Horizon) Add(c *changefeed.Change) {
	p := c.Position
	if p.IsZero() {
		return
	}
	m := h[p.Source]
	switch {
	case m == nil || m.Epoch < p.Epoch:
		m = &Marks{Epoch: p.Epoch}
		h[p.Source] = m
	case m.Epoch > p.Epoch:
		return
	}
	m.LSN = max(m.LSN, p.LSN)
	if c.XID == 0 {
		return
	}
	if at, found := slices.BinarySearch(m.XIDs, c.XID); !found {
		m.XIDs = slices.Insert(m.XIDs, at, c.XID)
	}
}
