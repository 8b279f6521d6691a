package localpg

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

const (
	// tailBytes bounds how much of the log is read for a message.
	tailBytes = 16 << 10
	// tailLines is how many lines of it are shown.
	tailLines = 20
)

// readLog returns the log from an offset on, at most its last tailBytes.
func readLog(path string, from int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log of the private PostgreSQL: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("measure log of the private PostgreSQL: %w", err)
	}
	from = max(from, info.Size()-tailBytes)
	tail := make([]byte, max(0, info.Size()-from))
	n, err := f.ReadAt(tail, from)
	if err != nil && n == 0 && len(tail) > 0 {
		return nil, fmt.Errorf("read log of the private PostgreSQL: %w", err)
	}
	return tail[:n], nil
}

// lastLines returns the last n lines of a text, without an end of line.
func lastLines(text []byte, n int) string {
	text = bytes.TrimRight(text, "\r\n")
	start := len(text)
	for ; n > 0 && start > 0; n-- {
		start = max(0, bytes.LastIndexByte(text[:start], '\n'))
	}
	return strings.TrimPrefix(string(text[start:]), "\n")
}

// indented sets a text of several lines off from the error it belongs to.
func indented(text string) string {
	if text == "" {
		return ""
	}
	return "\n\t" + strings.ReplaceAll(text, "\n", "\n\t")
}
