package setup

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
)

// SlotGap is what a slot that was replaced has left out: commits before From were
// published, those from To on will be.
type SlotGap struct {
	From, To uint64 // From is 0 where it is not known
}

// SlotLost reports whether the configured slot is there, is a publisher's of this
// database, and has been invalidated.
func SlotLost(ctx context.Context, conn *pgx.Conn, cfg cdc.Config) (bool, error) {
	cfg = cfg.WithDefaults()
	c, err := readCatalog(ctx, conn, &cfg)
	if err != nil {
		return false, err
	}
	return c.slotLost(), nil
}

func (c *catalog) slotLost() bool {
	s := c.slot
	return s != nil && s.plugin == "pgoutput" && !s.temporary && s.database == c.server.database && (s.walStatus == "lost" || s.reason != "")
}

// ReplaceSlot makes a slot anew that is gone or was invalidated, and returns what
// is missing from then on. A slot that can be read is left as it is, and refused.
// Everything else has to be set up: what is not is a *RefusalError. known is the
// position that was confirmed last, 0 where nobody knows; the invalidated slot may
// tell a later one. The connection is one of Connect.
func ReplaceSlot(ctx context.Context, conn *pgx.Conn, cfg cdc.Config, known uint64, log *slog.Logger) (SlotGap, error) {
	cfg = cfg.WithDefaults()
	gap := SlotGap{From: known}
	c, err := readCatalog(ctx, conn, &cfg)
	if err != nil {
		return gap, err
	}
	if c.slot != nil && !c.slotLost() {
		return gap, fmt.Errorf("replace slot %s: it is not lost, and left as it is", cfg.Slot)
	}
	if c.slot != nil {
		if lsn, err := pglogrepl.ParseLSN(c.slot.confirmed); err == nil {
			gap.From = max(gap.From, uint64(lsn))
		}
	}
	cfg = c.withParts(cfg)
	without := *c
	without.slot = nil
	report := examine(&without, &cfg, false)
	for _, f := range report.Refusals() {
		if f.Subject != "slot "+cfg.Slot {
			return gap, &RefusalError{Findings: report.Refusals()}
		}
	}
	if c.slot != nil {
		if _, err := conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", cfg.Slot); err != nil {
			return gap, fmt.Errorf("drop slot %s: %w", cfg.Slot, err)
		}
	}
	steps := Steps{c.slotStep(cfg.Slot)}
	if err := Apply(ctx, conn, steps, log); err != nil {
		return gap, err
	}
	var text string
	const query = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1"
	if err := conn.QueryRow(ctx, query, cfg.Slot).Scan(&text); err != nil {
		return gap, fmt.Errorf("read new slot %s: %w", cfg.Slot, err)
	}
	to, err := pglogrepl.ParseLSN(text)
	if err != nil {
		return gap, fmt.Errorf("read new slot %s: %w", cfg.Slot, err)
	}
	gap.To = uint64(to)
	return gap, nil
}
