package setup

import (
	"fmt"
	"strconv"
	"time"

	"changefeed/cdc"
	"changefeed/cdc/internal/advice"
)

// oldestVersion of the server that is supported, as server_version_num.
const oldestVersion = 130000

// examineServer judges the server's settings and the role's attribute.
func (x *examiner) examineServer() {
	const subject = "server"
	s := &x.catalog.server
	if s.version < oldestVersion {
		x.add(Refuse, subject, fmt.Sprintf("it is PostgreSQL %d; version %d is the oldest that is supported", s.version/10000, oldestVersion/10000),
			Remedy{Text: "upgrade the server"})
	}
	if s.recovering {
		x.add(Refuse, subject, "it is a standby, whose write-ahead log is not published from",
			Remedy{Text: "set dsn to the primary; the standby can be replica_dsn, for document reads"})
	}
	if s.walLevel != "logical" {
		x.add(Refuse, subject, fmt.Sprintf("wal_level is %s, so that its write-ahead log cannot be decoded", s.walLevel),
			Remedy{
				Text: "set it and restart the server (a managed server has a parameter of its own for it, such as rds.logical_replication)",
				SQL:  []string{"ALTER SYSTEM SET wal_level = 'logical'"},
			})
	}
	if x.catalog.slot == nil && s.usedSlots >= s.maxSlots {
		x.add(Refuse, subject, fmt.Sprintf("all %d replication slots are in use", s.maxSlots),
			raiseSetting("max_replication_slots", s.usedSlots+4),
			Remedy{Text: "drop a slot that nobody needs: SELECT slot_name, database, active, restart_lsn FROM pg_replication_slots"})
	}
	if reading := x.catalog.slot != nil && x.catalog.slot.activePID != 0; !reading && s.usedSenders >= s.maxSenders {
		x.add(Refuse, subject, fmt.Sprintf("all %d replication connections (max_wal_senders) are in use", s.maxSenders),
			raiseSetting("max_wal_senders", s.usedSenders+4))
	}
	if s.senderTimeout > 0 && x.cfg.StatusInterval > s.senderTimeout/2 {
		x.add(Refuse, subject, fmt.Sprintf("wal_sender_timeout is %v: the server would drop a publisher that reports every %v", s.senderTimeout, x.cfg.StatusInterval),
			raiseTimeout(max(time.Minute, 4*x.cfg.StatusInterval)))
	} else if s.senderTimeout > 0 && s.senderTimeout < 30*time.Second {
		x.add(Warn, subject, fmt.Sprintf("wal_sender_timeout is %v: a short pause of the network ends the connection", s.senderTimeout),
			raiseTimeout(time.Minute))
	}
	if s.keepSize < 0 {
		x.add(Warn, subject, "max_slot_wal_keep_size is not set: while a publisher is stopped or slow, the log that is kept for it can fill the disk and stop the server",
			Remedy{
				Text: "bound it by what the disk can spare; a slot that falls behind by more is lost then, instead of the server, and its changes have to be published anew",
				SQL:  []string{"ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'", "SELECT pg_reload_conf()"},
			})
	}
	if s.slotTimeout > 0 {
		x.add(Warn, subject, fmt.Sprintf("idle_replication_slot_timeout is %v: a publisher that is stopped for longer loses its place", s.slotTimeout),
			Remedy{Text: "turn it off", SQL: []string{"ALTER SYSTEM SET idle_replication_slot_timeout = 0", "SELECT pg_reload_conf()"}})
	}
	if !s.replication {
		x.add(Refuse, "role "+s.role, "it may not replicate",
			Remedy{Text: "as a superuser, or a role that is allowed to", SQL: []string{"ALTER ROLE " + cdc.QuoteIdent(s.role) + " REPLICATION"}})
	}
}

// examineMonitoring tells of a privilege that publishing does without. It comes
// behind all that has to be done.
func (x *examiner) examineMonitoring() {
	s := &x.catalog.server
	if !s.statistics {
		x.add(Info, "role "+s.role, "it may not see what other roles' sessions do: where one holds the write-ahead log, its process and age cannot be told",
			Remedy{Text: "if you like, as a superuser", SQL: []string{"GRANT pg_monitor TO " + cdc.QuoteIdent(s.role)}})
	}
}

func raiseSetting(name string, value int) Remedy {
	return Remedy{
		Text: "raise it and restart the server",
		SQL:  []string{"ALTER SYSTEM SET " + name + " = " + strconv.Itoa(value)},
	}
}

func raiseTimeout(value time.Duration) Remedy {
	return Remedy{
		Text: "raise it",
		SQL: []string{
			fmt.Sprintf("ALTER SYSTEM SET wal_sender_timeout = '%ds'", int(value.Seconds())),
			"SELECT pg_reload_conf()",
		},
	}
}

// examineSlot judges the slot. The name is fit for SQL without quotes.
func (x *examiner) examineSlot() {
	subject := "slot " + x.cfg.Slot
	s := x.catalog.slot
	if s == nil {
		remedy := byInit("create it")
		if x.settled() {
			remedy.SQL = []string{x.catalog.createSlot(x.cfg.Slot)}
		}
		x.add(Refuse, subject, "it does not exist", remedy)
		return
	}
	drop := Remedy{
		Text: "drop it, if nobody needs it, and create it anew",
		SQL:  []string{fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", x.cfg.Slot)},
	}
	rename := Remedy{Text: "choose another name: set slot (and publication, which follows it)"}
	switch {
	case s.plugin != "pgoutput" || s.temporary:
		x.add(Refuse, subject, "it is not ours: it is a "+s.kind(), rename, drop)
	case s.database != x.catalog.server.database:
		x.add(Refuse, subject, fmt.Sprintf("it belongs to database %s, not to %s", s.database, x.catalog.server.database), rename, drop)
	case s.walStatus == "lost" || s.reason != "":
		problem := "the server has removed write-ahead log that it needs: changes since " + s.confirmed + " can no longer be read"
		if s.reason != "" {
			problem += " (" + s.reason + ")"
		}
		drop.Text = "drop it, and create it anew with `" + initCommand + "`; " + advice.MissedChanges
		x.add(Refuse, subject, problem, drop)
	case s.walStatus == "unreserved":
		x.add(Warn, subject, "it is behind by more than max_slot_wal_keep_size: the next checkpoint may remove the log that it needs",
			Remedy{Text: "let the publisher run, and raise the limit until it has caught up (-1: no limit)", SQL: []string{
				"ALTER SYSTEM SET max_slot_wal_keep_size = -1", "SELECT pg_reload_conf()",
			}})
	}
	x.examineFailover(subject, s)
	if s.activePID != 0 {
		x.add(Info, subject, fmt.Sprintf("process %d of the server is reading it: another publisher would wait as its stand-by", s.activePID))
	}
}

// firstFailover is the version from which standbys can keep a copy of a slot, as
// server_version_num.
const firstFailover = 170000

// examineFailover judges whether the slot survives the loss of the primary.
func (x *examiner) examineFailover(subject string, s *catalogSlot) {
	server := &x.catalog.server
	if server.version < firstFailover || s.failover || server.standbys == 0 {
		return
	}
	x.add(Warn, subject, fmt.Sprintf("of the servers that follow this one (%d) none keeps a copy of the slot: after a failover there is none, and changes are missed", server.standbys),
		Remedy{
			Text: fmt.Sprintf("while no publisher runs: psql 'dbname=%s replication=database' -c 'ALTER_REPLICATION_SLOT %s (FAILOVER true)'; "+
				"on the standbys set sync_replication_slots = on, hot_standby_feedback = on and a primary_conninfo with dbname; "+
				"here name their physical slots in synchronized_standby_slots", x.catalog.server.database, x.cfg.Slot),
		})
}

func (s *catalogSlot) kind() string {
	switch {
	case s.plugin == "":
		return "physical slot"
	case s.temporary:
		return "temporary slot of another session"
	default:
		return "slot of the plugin " + s.plugin
	}
}

// createSlot returns SQL that makes the slot: where the server can, one that
// standbys keep a copy of.
func (c *catalog) createSlot(name string) string {
	if c.server.version >= firstFailover {
		return fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput', failover => true)", name)
	}
	return fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", name)
}

// settled reports whether no table or publication stands against publishing, so
// that what comes after them can be done by hand.
func (x *examiner) settled() bool { return Report{Findings: x.findings}.Err() == nil }
