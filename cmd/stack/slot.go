package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/cmd/config"
	"changefeed/state"
)

// runPublisher runs the publisher of source i. Where its slot is lost and the
// configuration wants that, it makes the slot anew and a publisher for it.
func (s *Stack) runPublisher(ctx context.Context, i int, publisher *cdc.Publisher, noWait bool) error {
	for {
		err := publisher.Run(ctx)
		lost, ok := errors.AsType[*cdc.SlotLostError](err)
		if !ok || ctx.Err() != nil || s.Config.Postgres[i].OnSlotLost != config.RecreateSlot {
			return err
		}
		if replaceErr := s.replaceSlot(ctx, i, lost.LSN, string(lost.Reason)); replaceErr != nil {
			return fmt.Errorf("%w; on_slot_lost is recreate, and that did not work: %w", err, replaceErr)
		}
		if publisher, err = s.Publisher(i, noWait); err != nil {
			return err
		}
	}
}

// replaceLostSlot replaces the slot of source i before the start, where it has
// been invalidated and the configuration wants that. A slot that does not exist is
// for init: it may never have been made.
func (s *Stack) replaceLostSlot(ctx context.Context, i int) error {
	if s.Config.Postgres[i].OnSlotLost != config.RecreateSlot {
		return nil
	}
	lost := false
	err := s.await(ctx, "server of source "+s.Config.Postgres[i].Name, func(ctx context.Context) error {
		return s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) (err error) {
			lost, err = setup.SlotLost(ctx, conn, cfg)
			return err
		})
	}, cdc.Passes)
	if err != nil || !lost {
		return err
	}
	return s.replaceSlot(ctx, i, 0, "invalidated while no publisher ran")
}

// replaceSlot makes the slot of source i anew, records what is missing and says
// how to get it.
func (s *Stack) replaceSlot(ctx context.Context, i int, known uint64, reason string) error {
	return s.onSource(ctx, i, func(conn *pgx.Conn, cfg cdc.Config) error {
		log := s.Log.With("source", cfg.Source)
		store, err := s.State()
		if err != nil {
			return err
		}
		if err := store.Check(ctx); err != nil { // else what is missing could not be recorded
			return err
		}
		missing, err := setup.ReplaceSlot(ctx, conn, cfg, known, log)
		if err != nil {
			return err
		}
		var commands []string
		for j := range cfg.Tables {
			if t := &cfg.Tables[j]; !t.Satellite() {
				commands = append(commands, "changefeed backfill "+t.Name.SQL())
			}
		}
		log.Warn("the slot was lost and is made anew: what was committed between is in no topic; backfill publishes all rows that are there, but no deletions",
			"slot", cfg.Slot, "reason", reason, "from", pglogrepl.LSN(missing.From).String(), "to", pglogrepl.LSN(missing.To).String(),
			"remedy", strings.Join(commands, "; "))
		return store.RecordGap(ctx, state.Gap{Source: cfg.Source, From: missing.From, To: missing.To, Reason: "slot " + cfg.Slot + " was lost: " + reason})
	})
}
