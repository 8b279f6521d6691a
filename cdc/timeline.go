package cdc

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
)

// timelineEnd is where a timeline of a server's log ended and the next one began.
type timelineEnd struct {
	timeline int32
	lsn      uint64 // the first position that the timeline does not share with the next
}

// parseTimelineHistory reads the ancestors of a timeline, the oldest first, from
// the file that the server keeps of it: a line for each with its number, the
// position of its end and a reason, separated by white space.
func parseTimelineHistory(content []byte) ([]timelineEnd, error) {
	var ends []timelineEnd
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return nil, fmt.Errorf("read timeline history: line %q has no position", line)
		}
		timeline, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read timeline history: %w", err)
		}
		lsn, err := pglogrepl.ParseLSN(fields[1])
		if err != nil {
			return nil, fmt.Errorf("read timeline history: line %q: %w", line, err)
		}
		ends = append(ends, timelineEnd{timeline: int32(timeline), lsn: uint64(lsn)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read timeline history: %w", err)
	}
	return ends, nil
}
