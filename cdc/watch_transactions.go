package cdc

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// hold notices that the place where decoding would have to begin stays, while
// what is confirmed moves on.
type hold struct {
	restart   uint64    // as last seen
	confirmed uint64    // when it was first seen there
	since     time.Time // when that was
}

// heldLooks is for how many looks the place has to stay: the server moves it only
// now and then.
const heldLooks = 6

// note takes what was seen, and reports whether the place is held back.
func (h *hold) note(s *slotRow, cfg *Config, now time.Time) bool {
	if h.since.IsZero() || s.restart != h.restart || s.confirmed < h.confirmed {
		*h = hold{restart: s.restart, confirmed: s.confirmed, since: now}
	}
	return now.Sub(h.since) >= heldLooks*cfg.WatchInterval && s.confirmed-h.confirmed > uint64(cfg.RetainedWarning/16)
}

// oldest is the oldest transaction of the server that has written something.
type oldest struct {
	role     string        // the publisher's
	hidden   bool          // the role may not see its age
	pid      string        // of its backend; empty: there is none
	gid      string        // of one that is prepared
	database string        // where that was prepared
	age      time.Duration // since it began, or was prepared; where it is not hidden
}

// oldestSQL looks for the oldest transaction id that is in use, in any database:
// decoding has to begin before it.
const oldestSQL = `SELECT current_user, oldest.age IS NOT NULL AND oldest.began IS NULL,
	coalesce(oldest.pid, ''), coalesce(oldest.gid, ''), coalesce(oldest.database, ''),
	coalesce(pg_catalog.trunc(extract(epoch FROM pg_catalog.clock_timestamp() - oldest.began))::text, '0')
FROM (SELECT) AS always LEFT JOIN LATERAL (
	SELECT pid::text, NULL AS gid, datname::text AS database, xact_start AS began, pg_catalog.age(backend_xid) AS age
	FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL
	UNION ALL
	SELECT NULL, gid, database::text, prepared, pg_catalog.age(transaction) FROM pg_catalog.pg_prepared_xacts
	ORDER BY age DESC LIMIT 1
) AS oldest ON true`

func readOldest(ctx context.Context, conn *pgconn.PgConn) (*oldest, error) {
	rows, err := query(ctx, conn, oldestSQL)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 6 {
		return nil, fmt.Errorf("read oldest transaction: %d rows", len(rows))
	}
	row := rows[0]
	seconds, err := strconv.ParseInt(string(row[5]), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read oldest transaction: %w", err)
	}
	return &oldest{
		role: string(row[0]), hidden: string(row[1]) == "t",
		pid: string(row[2]), gid: string(row[3]), database: string(row[4]), age: time.Duration(seconds) * time.Second,
	}, nil
}

// judge returns what holds the place back. It is an old transaction only if that
// is as old as the standstill; else the server just has not moved the place yet.
func (o *oldest) judge(s *slotRow, since time.Time) []condition {
	const text = "an old transaction makes the server keep log that has long been published"
	c := condition{key: fmt.Sprint("held by ", o.pid, o.gid, o.hidden), ended: "that old transaction does not make the server keep its log any more"}
	attrs := []any{"retained_bytes", s.RetainedBytes, "lag_bytes", s.LagBytes, "standstill", time.Since(since).Round(time.Second)}
	old := !o.hidden && o.age+time.Second >= time.Since(since)
	switch {
	case o.gid != "" && old:
		gid := quoteLiteral(o.gid)
		c.text, attrs = text, append(attrs, "prepared", o.gid, "database", o.database, "age", o.age,
			"remedy", "in database "+o.database+": COMMIT PREPARED "+gid+", or ROLLBACK PREPARED "+gid)
	case o.hidden:
		c.text, attrs = text+", most likely: how old it is the publisher's role may not see", append(attrs, "pid", o.pid, "database", o.database,
			"remedy", "as a superuser: SELECT * FROM pg_stat_activity WHERE pid = "+o.pid+", and if it is old: SELECT pg_terminate_backend("+o.pid+
				"); to have its age told here: GRANT pg_monitor TO "+QuoteIdent(o.role))
	case o.pid != "" && old:
		c.text, attrs = text, append(attrs, "pid", o.pid, "database", o.database, "age", o.age,
			"remedy", "end it: SELECT pg_terminate_backend("+o.pid+")")
	default:
		return nil
	}
	c.attrs = attrs
	return []condition{c}
}
