package changefeed

import (
	"fmt"
	"time"
)

// timeLayout has exactly six fraction digits: readers of the contract accept
// six or none, and stop at any other number.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// clock writes times, and the one that it wrote last by copying it: the changes
// of a batch share theirs.
type clock struct {
	at   time.Time
	text [len(timeLayout) + 2]byte // of at, in quotes
	long bool                      // at does not fit into text
}

func (c *clock) append(dst []byte, t time.Time) []byte {
	if c.text[0] != 0 && !c.long && t.Equal(c.at) {
		return append(dst, c.text[:]...)
	}
	start := len(dst)
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, '"')
	c.at = t
	c.long = copy(c.text[:], dst[start:]) != len(dst)-start // a year of five digits
	return dst
}

// readLayouts are tried in turn. Go accepts any number of fraction digits after
// the seconds of a layout without them.
var readLayouts = [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05z", "2006-01-02 15:04:05"}

// parseTime reads more than the contract writes: any number of fraction digits,
// an offset in place of Z, or no zone at all, which is UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range readLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is not of the form 2006-01-02T15:04:05.000000Z", text)
}
