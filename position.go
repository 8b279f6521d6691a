package changefeed

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Position is where a change was made: unique, ordered within a source, and the
// same on every replay of the source's log.
type Position struct {
	// Source is the configured name of the database. It holds no "/".
	Source string
	// Epoch counts the lives of the source's log. It starts at 1 and grows when
	// the log went back or the database was replaced.
	Epoch uint32
	// LSN is the log position at which the commit record starts.
	LSN uint64
	// Ordinal numbers the documents of the transaction from 0, in the order in
	// which they are published.
	Ordinal uint64
}

// IsZero reports whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

// Compare orders two positions of one source: negative where p is earlier than
// q, 0 where they are equal, positive where p is later.
func (p Position) Compare(q Position) int {
	switch {
	case p.Epoch != q.Epoch:
		return order(uint64(p.Epoch), uint64(q.Epoch))
	case p.LSN != q.LSN:
		return order(p.LSN, q.LSN)
	default:
		return order(p.Ordinal, q.Ordinal)
	}
}

func order(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// AppendText appends the position as <source>/<epoch>/<LSN as 16 hexadecimal
// digits>/<ordinal>, as in main/1/00000016B374D848/3. It never fails.
func (p Position) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, p.Source...)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, uint64(p.Epoch), 10)
	dst = append(dst, '/')
	const digits = "0123456789ABCDEF"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[p.LSN>>shift&0xF])
	}
	dst = append(dst, '/')
	return strconv.AppendUint(dst, p.Ordinal, 10), nil
}

// String returns the text of AppendText.
func (p Position) String() string {
	text, _ := p.AppendText(nil)
	return string(text)
}

// ErrPosition is wrapped by the errors of ParsePosition.
var ErrPosition = errors.New("position is not <source>/<epoch>/<16 hexadecimal digits>/<ordinal>")

// ParsePosition reads the text that AppendText writes.
func ParsePosition(text string) (Position, error) {
	source, rest, _ := strings.Cut(text, "/")
	epochText, rest, _ := strings.Cut(rest, "/")
	lsnText, ordinalText, _ := strings.Cut(rest, "/")
	epoch, errEpoch := strconv.ParseUint(epochText, 10, 32)
	lsn, errLSN := strconv.ParseUint(lsnText, 16, 64)
	ordinal, errOrdinal := strconv.ParseUint(ordinalText, 10, 64)
	if source == "" || len(lsnText) != 16 || errors.Join(errEpoch, errLSN, errOrdinal) != nil {
		return Position{}, fmt.Errorf("parse %q: %w", text, ErrPosition)
	}
	return Position{Source: source, Epoch: uint32(epoch), LSN: lsn, Ordinal: ordinal}, nil
}
