package cdc

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/cdc/internal/advice"
	"changefeed/cdc/internal/sqlstate"
)

// SlotLoss is why a slot is lost.
type SlotLoss string

// The reasons, but for the first as the server calls them.
const (
	SlotMissing              SlotLoss = "missing"
	SlotWALRemoved           SlotLoss = "wal_removed"
	SlotRowsRemoved          SlotLoss = "rows_removed"
	SlotWALLevelInsufficient SlotLoss = "wal_level_insufficient"
	SlotIdleTimeout          SlotLoss = "idle_timeout"
)

// SlotLostError says that the slot cannot be read any more: it is gone, or the
// server has invalidated it. What was committed since LSN is in no topic. Where
// the slot is missing, it wraps ErrSlotMissing.
type SlotLostError struct {
	Slot   string
	Reason SlotLoss // SlotWALRemoved where the server does not say
	// LSN is the position that was confirmed last, 0 where it is not known.
	LSN uint64

	cause error // the server's
}

// Error names the remedy.
func (e *SlotLostError) Error() string {
	text := "start replication: slot " + e.Slot
	if e.Reason == SlotMissing {
		text += fmt.Sprintf(": %v: %v: create it with \"changefeed init\"", ErrSlotMissing, e.cause)
	} else {
		text += fmt.Sprintf(" is lost (%s): %v: %srun SELECT pg_drop_replication_slot('%s'), then \"changefeed init\"",
			e.Reason, e.cause, e.Reason.prevention(), e.Slot)
	}
	if e.LSN > 0 {
		text += "; it had come to " + pglogrepl.LSN(e.LSN).String()
	}
	return text + "; " + advice.MissedChanges
}

// Unwrap returns ErrSlotMissing, where that is the reason, and the server's error.
func (e *SlotLostError) Unwrap() []error {
	if e.Reason == SlotMissing {
		return []error{ErrSlotMissing, e.cause}
	}
	return []error{e.cause}
}

// prevention says what keeps it from happening again.
func (l SlotLoss) prevention() string {
	switch l {
	case SlotWALRemoved:
		return "raise max_slot_wal_keep_size (ALTER SYSTEM SET max_slot_wal_keep_size = …; SELECT pg_reload_conf()) if the disk allows; "
	case SlotIdleTimeout:
		return "turn the timeout off (ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf()); "
	case SlotWALLevelInsufficient:
		return "run ALTER SYSTEM SET wal_level = 'logical' and restart the server; "
	default:
		return ""
	}
}

// explainLoss returns a *SlotLostError where that is why the slot cannot be read,
// and else nil. The connection can be used again after the refusal.
func (s *session) explainLoss(ctx context.Context, conn *pgconn.PgConn, refusal error) error {
	lost := &SlotLostError{Slot: s.cfg.Slot, Reason: SlotMissing, LSN: s.counters.flushedLSN.Load(), cause: refusal}
	switch sqlstate.Of(refusal) {
	case sqlstate.UndefinedObject:
		return lost
	case sqlstate.NotPrerequisite:
	default:
		return nil
	}
	row, err := readSlot(ctx, conn, s.cfg.Slot)
	switch {
	case err != nil:
		return err
	case row == nil:
		return lost
	case row.WALStatus != "lost" && row.reason == "":
		return nil
	}
	lost.Reason, lost.LSN = SlotWALRemoved, max(lost.LSN, row.confirmed)
	if row.reason != "" {
		lost.Reason = SlotLoss(row.reason)
	}
	return lost
}
