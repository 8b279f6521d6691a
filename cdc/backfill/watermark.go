package backfill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// awaitWatermark takes a transaction id and returns when all transactions that
// had a lower one have ended.
func (b *Backfill) awaitWatermark(ctx context.Context, conn *pgx.Conn) error {
	var watermark string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_xact_id()::text").Scan(&watermark); err != nil {
		return fmt.Errorf("take a transaction id: %w", err)
	}
	for said := (time.Time{}); ; {
		var passed bool
		err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) > $1::text::xid8", watermark).Scan(&passed)
		if err != nil {
			return fmt.Errorf("look for open transactions: %w", err)
		}
		if passed {
			return nil
		}
		if time.Since(said) >= waitSaidAgain {
			said = time.Now()
			waiting, err := openTransactions(ctx, conn, watermark)
			if err != nil {
				return err
			}
			b.log.InfoContext(ctx, "waiting for transactions that were open when the backfill began", "watermark", watermark, "open", waiting)
		}
		if err := pause(ctx, waitInterval); err != nil {
			return err
		}
	}
}

// openTransactions names what is waited for, as far as the role can see it.
func openTransactions(ctx context.Context, conn *pgx.Conn, watermark string) (string, error) {
	rows, err := conn.Query(ctx, `
SELECT 'pid ' || pid || coalesce(' for ' || date_trunc('second', clock_timestamp() - xact_start), '')
FROM pg_catalog.pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
	AND pg_catalog.age(backend_xid) >= pg_catalog.age($1::text::xid8::xid)
UNION ALL
SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts
ORDER BY 1 LIMIT 20`, watermark)
	if err != nil {
		return "", fmt.Errorf("look for open transactions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("look for open transactions: %w", err)
	}
	if len(names) == 0 {
		return "not visible to this role: grant it pg_monitor", nil
	}
	return strings.Join(names, ", "), nil
}

// awaitPublisher returns when the slot is less than MaxLag behind: the changes of
// the backfill are log that waits for it too.
func (b *Backfill) awaitPublisher(ctx context.Context, conn *pgx.Conn) error {
	for said := (time.Time{}); ; {
		var lag int64
		err := conn.QueryRow(ctx, `SELECT coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint
			FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`, b.cfg.Source.Slot).Scan(&lag)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("slot %s does not exist, so that nothing would be published: run \"changefeed init\"", b.cfg.Source.Slot)
		case err != nil:
			return fmt.Errorf("look at the slot: %w", err)
		case lag <= b.cfg.MaxLag:
			return nil
		}
		if time.Since(said) >= waitSaidAgain {
			said = time.Now()
			b.log.WarnContext(ctx, "waiting for the publisher to catch up: is it running?", "slot", b.cfg.Source.Slot, "lag_bytes", lag)
		}
		if err := pause(ctx, waitInterval); err != nil {
			return err
		}
	}
}
