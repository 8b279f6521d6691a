package pillows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// State says what a partition does.
type State string

// The states of a partition.
const (
	// Running: it is worked on, or there is nothing to work on.
	Running State = "running"
	// Waiting: something has to change before it goes on; it tries again by
	// itself.
	Waiting State = "waiting"
	// Stopped: the group has no member. Moving: it has some, and none of them has
	// the partition at present. Only List knows these states.
	Stopped State = "stopped"
	Moving  State = "moving"
)

// Progress is what a pillow has done in one partition. It stands in the metadata
// of the partition's committed offset, so that every owner counts on from the
// one before, and that another process can show it from Kafka alone.
type Progress struct {
	// Changes is how many were read below the committed offset, since the group
	// began. One that is read again after the offset was set back counts again.
	Changes int64
	// Counts are their verdicts, of all processors together.
	Counts
	State State
	// Since is when a Waiting partition began to wait, in whole seconds, and
	// Reason is why; else they are zero. Parsed progress may have one of them.
	Since  time.Time
	Reason string
}

const (
	progressVersion = "v1"
	// maxMetadata is what the text may take: brokers refuse more than 4 KiB.
	maxMetadata = 1 << 10
)

// Metadata returns the text for the committed offset: at most 1 KiB, of which
// the reason, the last field, gives way.
func (p Progress) Metadata() string {
	state := p.State
	if state == "" {
		state = Running
	}
	text := fmt.Sprintf("%s changes=%d applied=%d superseded=%d filtered=%d parked=%d state=%s",
		progressVersion, p.Changes, p.Applied, p.Superseded, p.Filtered, p.Parked, state)
	if !p.Since.IsZero() {
		text += " since=" + p.Since.UTC().Format(time.RFC3339)
	}
	if p.Reason == "" {
		return text
	}
	reason := p.Reason
	for {
		whole := text + " reason=" + strconv.Quote(reason)
		if len(whole) <= maxMetadata || reason == "" {
			return whole
		}
		reason = cut(reason, len(reason)*9/10-1)
	}
}

// cut shortens s to at most n bytes, not within a character.
func cut(s string, n int) string {
	if n >= len(s) {
		return s
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// ErrProgress is wrapped by the errors of ParseProgress: the metadata is not a
// pillow's, as after an offset has been set with another tool.
var ErrProgress = errors.New("metadata is not a pillow's progress")

// ParseProgress reads the metadata of a committed offset. Fields it does not know
// are passed over.
func ParseProgress(metadata string) (Progress, error) {
	version, rest, _ := strings.Cut(metadata, " ")
	if version != progressVersion {
		return Progress{}, fmt.Errorf("parse %.40q: %w", metadata, ErrProgress)
	}
	var p Progress
	for rest != "" {
		var name, value string
		name, rest, _ = strings.Cut(rest, "=")
		value, rest = nextValue(rest)
		if err := p.set(name, value); err != nil {
			return Progress{}, fmt.Errorf("parse %.40q: %w: field %s: %w", metadata, ErrProgress, name, err)
		}
	}
	return p, nil
}

// nextValue splits a value, which may be quoted, from the fields after it.
func nextValue(text string) (value, rest string) {
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		value, _ = strconv.Unquote(quoted)
		return value, strings.TrimPrefix(text[len(quoted):], " ")
	}
	value, rest, _ = strings.Cut(text, " ")
	return value, rest
}

func (p *Progress) set(name, value string) (err error) {
	switch name {
	case "changes":
		p.Changes, err = strconv.ParseInt(value, 10, 64)
	case "applied":
		p.Applied, err = strconv.ParseInt(value, 10, 64)
	case "superseded":
		p.Superseded, err = strconv.ParseInt(value, 10, 64)
	case "filtered":
		p.Filtered, err = strconv.ParseInt(value, 10, 64)
	case "parked":
		p.Parked, err = strconv.ParseInt(value, 10, 64)
	case "state":
		p.State = State(value)
	case "since":
		p.Since, err = time.Parse(time.RFC3339, value)
	case "reason":
		p.Reason = value
	}
	return err
}
