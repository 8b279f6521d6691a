package cdc

import (
	"cmp"

	"changefeed"
)

// place is a position within one source and epoch: those of a session.
type place struct{ lsn, ordinal uint64 }

func placeOf(p changefeed.Position) place { return place{lsn: p.LSN, ordinal: p.Ordinal} }

// compare orders places as positions are ordered.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.lsn, q.lsn), cmp.Compare(p.ordinal, q.ordinal))
}

// isZero reports whether there is no place.
func (p place) isZero() bool { return p == place{} }

// later returns the later of two places.
func later(p, q place) place {
	if p.compare(q) < 0 {
		return q
	}
	return p
}
