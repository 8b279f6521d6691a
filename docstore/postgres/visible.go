package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed/docstore"
)

// visibleSQL asks a server what it shows of a horizon: of the transactions $1 and
// of the start $2 of the last commit record. Which of the two decides depends on
// whether it is in recovery.
const visibleSQL = `
SELECT
	pg_is_in_recovery(),
	coalesce(pg_last_wal_replay_lsn() > $2::text::pg_lsn, false),
	coalesce(pg_last_wal_replay_lsn()::text, ''),
	ARRAY(
		SELECT xid FROM unnest($1::text::xid8[]) AS xid
		WHERE NOT pg_visible_in_snapshot(xid, (SELECT pg_current_snapshot()))
	)`

// formatXIDs writes transactions as an array, in one piece: there can be thousands.
func formatXIDs(xids []uint64) string {
	text := make([]byte, 0, 2+12*len(xids))
	text = append(text, '{')
	for i, xid := range xids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, xid, 10)
	}
	return string(append(text, '}'))
}

// scanMissing reads the answer: what the server does not show, in words, or "".
func scanMissing(answer pgx.Row, marks *docstore.Marks) (string, error) {
	var recovering, replayed bool
	var at string
	var unseen []uint64
	if err := answer.Scan(&recovering, &replayed, &at, &unseen); err != nil {
		return "", err
	}
	switch {
	case recovering && replayed:
		return "", nil
	case recovering:
		return fmt.Sprintf("the commit at log position %s is not replayed by the standby, which is at %s", formatLSN(marks.LSN), at), nil
	case len(unseen) > 0:
		return "the server does not show " + listXIDs(unseen) +
			" (one that has committed may wait for a synchronous standby: SELECT * FROM pg_stat_activity WHERE wait_event = 'SyncRep')", nil
	}
	return "", nil
}

// listXIDs names transactions, but not hundreds of them.
func listXIDs(xids []uint64) string {
	const most = 5
	var b strings.Builder
	b.WriteString("transactions ")
	for i, xid := range xids[:min(most, len(xids))] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(xid, 10))
	}
	if more := len(xids) - most; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// formatLSN writes a log position as PostgreSQL does.
func formatLSN(lsn uint64) string { return fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)) }
