package pgoutput_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// capture is what a real server sent, and what it said about it by other means:
// see testdata/capture.sql.
type capture struct {
	messages  []capturedMessage
	relations map[uint32]string // name by OID
	types     map[uint32]string // name by OID
	emitted   map[string]uint64 // LSN of a logical message by its prefix
	committed map[uint32]int64  // commit time by transaction id
}

// capturedMessage is a message, and the LSN and transaction id that the server
// gave beside it. The LSN of a commit is that after its record.
type capturedMessage struct {
	slot string // "text" or "binary", as the values are
	lsn  uint64
	xid  uint32
	data []byte
}

// readCapture reads testdata/capture.txt.
func readCapture(tb testing.TB) *capture {
	tb.Helper()
	file, err := os.ReadFile("testdata/capture.txt")
	if err != nil {
		tb.Fatal(err)
	}
	c := &capture{
		relations: make(map[uint32]string),
		types:     make(map[uint32]string),
		emitted:   make(map[string]uint64),
		committed: make(map[uint32]int64),
	}
	for line := range strings.Lines(string(file)) {
		if err := c.add(line); err != nil {
			tb.Fatalf("testdata/capture.txt: %q: %v", line, err)
		}
	}
	return c
}

func (c *capture) add(line string) error {
	var (
		number uint64
		name   string
		err    error
	)
	what, _, _ := strings.Cut(line, " ")
	switch what {
	case "relation":
		_, err = fmt.Sscanf(line, "relation %d %s", &number, &name)
		c.relations[uint32(number)] = name
	case "type":
		_, err = fmt.Sscanf(line, "type %d %s", &number, &name)
		c.types[uint32(number)] = name
	case "emitted":
		_, err = fmt.Sscanf(line, "emitted %d %s", &number, &name)
		c.emitted[name] = number
	case "commit":
		var at int64
		_, err = fmt.Sscanf(line, "commit %d %d", &number, &at)
		c.committed[uint32(number)] = at
	case "message":
		var m capturedMessage
		if _, err = fmt.Sscanf(line, "message %s %d %d %s", &m.slot, &m.lsn, &m.xid, &name); err != nil {
			return err
		}
		m.data, err = hex.DecodeString(name)
		c.messages = append(c.messages, m)
	default:
		err = fmt.Errorf("unknown line %q", what)
	}
	return err
}
