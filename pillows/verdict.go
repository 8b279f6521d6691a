package pillows

import "fmt"

// Verdict is what became of one change in one processor. Every change gets
// exactly one for each processor.
type Verdict uint8

// The verdicts.
const (
	// Open: none yet. A partition's offset is never committed past an open change.
	Open Verdict = iota
	// Applied: the sink has the document as it was at this change or later,
	// written for this change.
	Applied
	// Superseded: the sink has, or will get, a newer state of the document, or of
	// a deletion: the document as it was saved again.
	Superseded
	// Filtered: the processor leaves such changes out.
	Filtered
	// Parked: the change failed and is in the error store with a due time.
	Parked
)

var verdictNames = [...]string{"open", "applied", "superseded", "filtered", "parked"}

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	if int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
	return verdictNames[v]
}

// Counts are numbers of verdicts.
type Counts struct {
	Applied    int64 `json:"applied"`
	Superseded int64 `json:"superseded"`
	Filtered   int64 `json:"filtered"`
	Parked     int64 `json:"parked"`
}

// Total is the number of verdicts. It is changes times processors.
func (c Counts) Total() int64 { return c.Applied + c.Superseded + c.Filtered + c.Parked }

func (c *Counts) add(v Verdict) {
	switch v {
	case Open:
	case Applied:
		c.Applied++
	case Superseded:
		c.Superseded++
	case Filtered:
		c.Filtered++
	case Parked:
		c.Parked++
	}
}

// plus returns the sum of c and other.
func (c Counts) plus(other Counts) Counts {
	return Counts{
		Applied:    c.Applied + other.Applied,
		Superseded: c.Superseded + other.Superseded,
		Filtered:   c.Filtered + other.Filtered,
		Parked:     c.Parked + other.Parked,
	}
}
