package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// inspect reads what the session has to know before it streams, and refuses
// where a publication is missing.
func (s *session) inspect(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, nextXIDSQL)
	if err != nil {
		return err
	}
	xid, err := parseXID(rows)
	if err != nil {
		return err
	}
	s.xids.set(xid)
	if err := s.checkPublications(ctx, conn); err != nil {
		return err
	}
	if rows, err = query(ctx, conn, publishedNamesSQL(s.publications)); err != nil {
		return err
	}
	if s.names, err = s.parseNames(rows); err != nil {
		return err
	}
	tables := make(map[uint32]TableName)
	for oid, names := range s.names {
		if r := firstRoute(s.routes, names); r != nil {
			tables[oid] = r.table.Name
		}
	}
	maps.Copy(s.routed, tables)
	s.layout += layoutOfTables(tables)
	return s.checkTimeout(ctx, conn)
}

const nextXIDSQL = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"

// nextXID reads the server's next transaction id.
func (s *session) nextXID(ctx context.Context) (uint64, error) {
	rows, err := s.queryAside(ctx, nextXIDSQL)
	if err != nil {
		return 0, err
	}
	return parseXID(rows)
}

func parseXID(rows [][][]byte) (uint64, error) {
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, errors.New("read next transaction id: no answer")
	}
	xid, err := strconv.ParseUint(string(rows[0][0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read next transaction id: %w", err)
	}
	return xid, nil
}

// namesSQL lists, for each of some tables, its name and then those of the tables
// that it is a part of, partitioned ones and such that it inherits from, the
// nearest first; each with its OID.
//
// It reads the catalogue as plain tables, and calls no function that looks an
// object up: the process that answers it is the one that decodes the log, and what
// it has in its caches as of now it would take for what was then. A publication that
// was not there would be found there, without its tables, and their rows left out.
func namesSQL(oids string) string {
	return `SELECT member.oid, namespace.nspname, relation.relname, relation.oid
FROM (` + oids + `) AS member(oid)
CROSS JOIN LATERAL (
	WITH RECURSIVE line(oid, distance) AS (
		SELECT member.oid, 0
		UNION ALL
		SELECT inherits.inhparent, line.distance + 1
		FROM line JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhrelid = line.oid
	)
	SELECT oid, distance FROM line
) AS line
JOIN pg_catalog.pg_class AS relation ON relation.oid = line.oid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
ORDER BY member.oid, line.distance, line.oid`
}

// publishedNamesSQL is namesSQL for all tables of some publications, whose names
// need no quotes.
func publishedNamesSQL(publications []string) string {
	return namesSQL(`WITH RECURSIVE published(oid) AS (
		SELECT listed.prrelid
		FROM pg_catalog.pg_publication AS publication
		JOIN pg_catalog.pg_publication_rel AS listed ON listed.prpubid = publication.oid
		WHERE publication.pubname IN ('` + strings.Join(publications, "', '") + `')
		UNION
		SELECT part.inhrelid
		FROM published
		JOIN pg_catalog.pg_inherits AS part ON part.inhparent = published.oid
		JOIN pg_catalog.pg_class AS below ON below.oid = part.inhrelid AND below.relispartition
	)
	SELECT oid FROM published`)
}

// parseNames reads what namesSQL answers, and notes which tables have the names
// of routes.
func (s *session) parseNames(rows [][][]byte) (map[uint32][]TableName, error) {
	names := make(map[uint32][]TableName)
	for _, row := range rows {
		oid, err := parseOID(row[0])
		if err != nil {
			return nil, err
		}
		named, err := parseOID(row[3])
		if err != nil {
			return nil, err
		}
		name := TableName{Schema: string(row[1]), Name: string(row[2])}
		names[oid] = append(names[oid], name)
		if s.routes[name] != nil && s.heads[name] == 0 {
			s.heads[name] = named
		}
	}
	return names, nil
}

func parseOID(text []byte) (uint32, error) {
	oid, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read table names: %w", err)
	}
	return uint32(oid), nil
}

// namesOf returns what a table is called now, and then the tables that it is a
// part of; nothing where it is gone. What was read when the session began serves
// for the first announcement of the table, while a route fits and it has the name
// under which the log announced it; else, and where it is announced again, it may
// have been renamed, attached or detached since.
func (s *session) namesOf(ctx context.Context, oid uint32, announced TableName) ([]TableName, error) {
	names := s.names[oid]
	delete(s.names, oid)
	if len(names) > 0 && names[0] == announced && firstRoute(s.routes, names) != nil {
		return names, nil
	}
	rows, err := s.queryAside(ctx, namesSQL("SELECT "+strconv.FormatUint(uint64(oid), 10)+"::pg_catalog.oid"))
	if err != nil {
		return nil, err
	}
	fresh, err := s.parseNames(rows)
	return fresh[oid], err
}

// detached reports whether a table has ceased to be a part of one that had the
// route then and has it now. Where that one was renamed, its name is nobody's, or
// another table's.
func (s *session) detached(ctx context.Context, oid uint32, from TableName) (bool, error) {
	head := s.heads[from]
	if head == 0 || head == oid {
		return false, nil
	}
	rows, err := s.queryAside(ctx, namesSQL("SELECT "+strconv.FormatUint(uint64(head), 10)+"::pg_catalog.oid"))
	if err != nil {
		return false, err
	}
	names, err := s.parseNames(rows)
	if err != nil {
		return false, err
	}
	return len(names[head]) > 0 && names[head][0] == from, nil
}

// checkPublications looks for each publication. From version 18 on the server
// itself would only warn, and leave rows out.
func (s *session) checkPublications(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, "SELECT pubname FROM pg_catalog.pg_publication")
	if err != nil {
		return err
	}
	have := make(map[string]bool)
	for _, row := range rows {
		have[string(row[0])] = true
	}
	var missing []string
	for _, name := range s.publications {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("start replication: %w: %s: create it with \"changefeed init\"; if it was dropped, replace the slot too: %s",
			ErrPublicationMissing, strings.Join(missing, ", "), replaceSlot(s.cfg.Slot))
	}
	return nil
}

// longestTimeout is how long the server may go on taking a publisher for alive that
// it does not hear from.
const longestTimeout = time.Minute

// checkTimeout warns where the server would take the publisher for dead between
// two of its status updates. Where it would never, or late, that is changed for this
// connection: a stand-by would wait for as long.
func (s *session) checkTimeout(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'")
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return nil
	}
	milliseconds, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
	if err != nil {
		return fmt.Errorf("read wal_sender_timeout: %w", err)
	}
	timeout := time.Duration(milliseconds) * time.Millisecond
	if timeout == 0 || timeout > longestTimeout {
		timeout = max(longestTimeout, 3*s.cfg.StatusInterval)
		if _, err := query(ctx, conn, "SET wal_sender_timeout = "+strconv.FormatInt(timeout.Milliseconds(), 10)); err != nil {
			return err
		}
	}
	if timeout > 0 && s.cfg.StatusInterval > timeout/3 {
		s.log.Warn("wal_sender_timeout is too short for the status interval: raise it to three times the interval or more",
			"wal_sender_timeout", timeout, "status_interval", s.cfg.StatusInterval)
	}
	return nil
}
