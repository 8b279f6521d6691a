package cdc

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// SlotStats is what the server said of the slot when it was looked at last.
type SlotStats struct {
	// RetainedBytes is the log that the server keeps for the slot: from where
	// decoding would have to begin to the log's end.
	RetainedBytes uint64
	// LagBytes is the part of it that has not been confirmed: from there to the
	// log's end.
	LagBytes uint64
	// WALStatus is reserved, extended, unreserved or lost; empty before the first
	// look.
	WALStatus string
	// SafeWALSize is how many bytes can be written to the log until the slot may
	// lose its place, less than 0 where it is over the limit, nil where
	// max_slot_wal_keep_size sets none.
	SafeWALSize *int64
}

// slotRow is the slot as the server shows it.
type slotRow struct {
	SlotStats
	restart, confirmed uint64
	limit              int64  // max_slot_wal_keep_size in bytes, less than 0: none
	reason             string // why it was invalidated, where the server says so
}

// slotSQL reads the slot's row. The reason is a column of versions 17 and later.
func slotSQL(slot string) string {
	return `SELECT coalesce(slot.wal_status, ''), coalesce(slot.safe_wal_size::text, ''),
	coalesce(slot.restart_lsn::text, '0/0'), coalesce(slot.confirmed_flush_lsn::text, '0/0'), pg_catalog.pg_current_wal_lsn()::text,
	(SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'),
	coalesce(pg_catalog.to_jsonb(slot) ->> 'invalidation_reason', '')
FROM pg_catalog.pg_replication_slots AS slot WHERE slot.slot_name = '` + slot + `'`
}

// readSlot returns nil where there is no such slot.
func readSlot(ctx context.Context, conn *pgconn.PgConn, slot string) (*slotRow, error) {
	rows, err := query(ctx, conn, slotSQL(slot))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	s, err := parseSlot(rows[0])
	if err != nil {
		return nil, fmt.Errorf("read slot: %w", err)
	}
	return s, nil
}

func parseSlot(row [][]byte) (*slotRow, error) {
	const columns = 7
	if len(row) != columns {
		return nil, fmt.Errorf("%d columns, want %d", len(row), columns)
	}
	s := &slotRow{reason: string(row[6])}
	s.WALStatus = string(row[0])
	if text := string(row[1]); text != "" {
		safe, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		s.SafeWALSize = &safe
	}
	var lsns [3]pglogrepl.LSN
	for i := range lsns {
		var err error
		if lsns[i], err = pglogrepl.ParseLSN(string(row[2+i])); err != nil {
			return nil, err
		}
	}
	megabytes, err := strconv.ParseInt(string(row[5]), 10, 64)
	if err != nil {
		return nil, err
	}
	s.limit = megabytes << 20
	s.restart, s.confirmed = uint64(lsns[0]), uint64(lsns[1])
	end := uint64(lsns[2])
	if s.restart > 0 && s.restart < end {
		s.RetainedBytes = end - s.restart
	}
	if s.confirmed > 0 && s.confirmed < end {
		s.LagBytes = end - s.confirmed
	}
	return s, nil
}

// The keys of conditions of the slot.
const (
	keyLost       = "lost"
	keyUnreserved = "unreserved"
	keyNarrow     = "narrow"
	keyRetained   = "retained"
)

// judge returns what is to be said of the slot, of its place only the worst. A
// condition that is open ends some way below where it began, so that it does not
// come and go.
func (s *slotRow) judge(cfg *Config, open func(key string) bool) []condition {
	var found []condition
	attrs := func(remedy string, more ...any) []any {
		return append(append([]any{
			"slot", cfg.Slot, "wal_status", s.WALStatus, "retained_bytes", s.RetainedBytes, "lag_bytes", s.LagBytes,
		}, more...), "remedy", remedy)
	}
	if c, bad := s.judgePlace(open, attrs); bad {
		found = append(found, c)
	}
	warning := uint64(cfg.RetainedWarning)
	if open(keyRetained) {
		warning = warning / 5 * 4
	}
	if s.RetainedBytes > warning {
		found = append(found, condition{
			key:   keyRetained,
			text:  "the slot keeps much of the server's log: if it is not published, it fills the disk",
			attrs: attrs(s.retainedRemedy(cfg), "retained_warning", cfg.RetainedWarning),
			ended: "the slot keeps less of the server's log again",
		})
	}
	return found
}

// judgePlace judges how near the slot is to losing its place.
func (s *slotRow) judgePlace(open func(key string) bool, attrs func(remedy string, more ...any) []any) (condition, bool) {
	safe, share := int64(0), int64(5)
	if s.SafeWALSize != nil {
		safe = *s.SafeWALSize
	}
	if open(keyNarrow) {
		share = 4
	}
	switch {
	case s.WALStatus == "lost" || s.reason != "":
		return condition{
			key: keyLost, text: "the slot is lost: the server has removed log that it needs",
			attrs: attrs("stop the publisher's session or wait for its end: the next one says what to do", "reason", s.reason),
			ended: "the slot has its place again",
		}, true
	case s.WALStatus == "unreserved":
		return condition{
			key: keyUnreserved, text: "the slot is about to be lost: it is behind by more than max_slot_wal_keep_size, and the next checkpoint may remove the log that it needs",
			attrs: attrs(raiseKeepSize(-1), "safe_wal_size", safe, "max_slot_wal_keep_size", s.limit),
			ended: "the slot is within max_slot_wal_keep_size again",
		}, true
	case s.limit >= 0 && s.SafeWALSize != nil && safe < s.limit/share:
		return condition{
			key: keyNarrow, text: "the slot is near its limit, max_slot_wal_keep_size, beyond which the server removes log that is not published yet",
			attrs: attrs(raiseKeepSize(2*s.limit), "safe_wal_size", safe, "max_slot_wal_keep_size", s.limit),
			ended: "the slot is far from its limit again",
		}, true
	default:
		return condition{}, false
	}
}

// retainedRemedy says what to do about a slot that keeps much log.
func (s *slotRow) retainedRemedy(cfg *Config) string {
	remedy := "if the publisher is not catching up, mend what it waits for, or, to give its place up: stop it and SELECT pg_drop_replication_slot('" + cfg.Slot + "')"
	if s.limit < 0 {
		remedy += "; to lose the slot rather than the disk from a size on: " + raiseKeepSize(8*max(cfg.RetainedWarning, int64(s.RetainedBytes)))
	}
	return remedy
}

// raiseKeepSize returns SQL that sets what a slot may keep, in whole megabytes of
// at least one; less than 0: everything.
func raiseKeepSize(bytes int64) string {
	value := "-1"
	if bytes >= 0 {
		value = "'" + strconv.FormatInt(max(1, bytes>>20), 10) + "MB'"
	}
	return strings.Join([]string{"ALTER SYSTEM SET max_slot_wal_keep_size = " + value, "SELECT pg_reload_conf()"}, "; ")
}
