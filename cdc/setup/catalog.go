package setup

import (
	"slices"
	"time"

	"changefeed/cdc"
)

// catalog is what the server's system catalogues say about one configuration,
// as of one snapshot.
type catalog struct {
	server       serverFacts
	tables       map[cdc.TableName]*catalogTable // every routed table, also one that is not there, and their parts
	parts        []cdc.TableName                 // tables without a route whose rows are those of a routed table
	publications []catalogPublication            // ours, by name
	slot         *catalogSlot                    // nil: there is none of that name
	others       []cdc.TableName                 // tables that could be routed, read where a routed one is missing
}

// serverFacts are about the server as a whole and the role that we are on it.
type serverFacts struct {
	version       int // server_version_num: 150018
	database      string
	recovering    bool // a standby
	walLevel      string
	maxSlots      int
	usedSlots     int
	maxSenders    int
	usedSenders   int
	senderTimeout time.Duration // 0: none
	keepSize      int64         // max_slot_wal_keep_size in megabytes; less than 0: no limit
	standbys      int           // servers that follow this one, as far as the role may see
	slotTimeout   time.Duration // idle_replication_slot_timeout, of version 18; 0: none
	role          string
	replication   bool     // the role may replicate
	statistics    bool     // the role may see what the sessions of other roles do
	emitters      []string // functions that write logical messages and that every role may execute, as SQL writes them
}

// columnLists reports whether publications can have column lists.
func (s *serverFacts) columnLists() bool { return s.version >= 150000 }

// catalogTable is a relation whose name a route holds, or a part of one.
type catalogTable struct {
	name        cdc.TableName
	whole       cdc.TableName // of a part: the table whose route it has; else zero
	schema      bool          // the schema is there
	usage       bool          // the role may use the schema
	oid         uint32        // 0: the relation is not there
	kind        rune          // pg_class.relkind
	persistence rune          // pg_class.relpersistence
	partition   bool          // it is a partition
	heirs       bool          // tables inherit from it
	identity    rune          // pg_class.relreplident
	subscribed  bool          // it receives rows of a subscription
	columns     []catalogColumn
	indexes     []catalogIndex
	listings    []catalogListing
}

// catalogColumn is a column of a routed table.
type catalogColumn struct {
	number    int16
	name      string
	typ       string // without modifier, of a domain its base type
	notNull   bool
	generated bool
	readable  bool // the role may SELECT it
}

// catalogIndex is an index of a routed table that is unique, or carries a name
// that setup gives.
type catalogIndex struct {
	name      string
	primary   bool
	key       bool // unique, valid, immediate, over plain columns of all rows: the server can find rows by it
	valid     bool
	identity  bool     // marked as the replica identity
	notNull   bool     // all of its columns are
	generated bool     // one of its columns is
	columns   []string // the key columns, in the index's order
	builder   int      // the process that is building it; 0: none
}

// catalogListing is another's publication that lists a routed table or one that
// it is a partition of, and publishes updates or deletions of it.
type catalogListing struct {
	publication string
	itself      bool     // the table is in the list itself, not its schema or root
	columns     []string // nil: all
	filter      string
}

// covers reports whether the application could go on updating if the replica
// identity became these columns.
func (l *catalogListing) covers(columns []string) bool {
	return l.filter == "" && (l.columns == nil || subset(columns, l.columns))
}

// catalogPublication is one of our own publications.
type catalogPublication struct {
	name       string
	allTables  bool
	schemas    bool // it lists whole schemas
	operations cdc.Operations
	truncate   bool
	viaRoot    bool
	entries    []catalogEntry
}

// catalogEntry is a table in a publication.
type catalogEntry struct {
	table   cdc.TableName
	columns []string // nil: all
	filter  bool
}

// entry returns the publication's entry of a table, nil where there is none.
func (p *catalogPublication) entry(t cdc.TableName) *catalogEntry {
	for i := range p.entries {
		if p.entries[i].table == t {
			return &p.entries[i]
		}
	}
	return nil
}

// catalogSlot is the slot of the configured name.
type catalogSlot struct {
	plugin    string // empty: a physical slot
	database  string
	temporary bool
	activePID int // 0: nobody reads it
	walStatus string
	reason    string // why the server invalidated it, where it says so
	confirmed string // confirmed_flush_lsn
	failover  bool   // standbys keep a copy; of version 17 and later
}

// table returns the catalogue's entry of a routed table.
func (c *catalog) table(t *cdc.Table) *catalogTable { return c.tables[t.Name] }

// publication returns one of our publications, nil where there is none.
func (c *catalog) publication(name string) *catalogPublication {
	for i := range c.publications {
		if c.publications[i].name == name {
			return &c.publications[i]
		}
	}
	return nil
}

// withParts returns the configuration with a route for each part too: that of
// the whole under the part's name. Foreign tables are left out: what is in them
// is in the log of another server.
func (c *catalog) withParts(cfg cdc.Config) cdc.Config {
	routes := cfg.Tables
	cfg.Tables = nil
	for i := range routes {
		cfg.Tables = append(cfg.Tables, routes[i])
		for _, name := range c.parts {
			if t := c.tables[name]; t.whole == routes[i].Name && t.kind != 'f' {
				part := routes[i]
				part.Name = name
				cfg.Tables = append(cfg.Tables, part)
			}
		}
	}
	return cfg
}

// partsOf returns the parts of a routed table.
func (c *catalog) partsOf(t *catalogTable) []*catalogTable {
	var parts []*catalogTable
	for _, name := range c.parts {
		if part := c.tables[name]; part.whole == t.name {
			parts = append(parts, part)
		}
	}
	return parts
}

// exists reports whether the relation is there and is an ordinary table, which
// has rows of its own.
func (t *catalogTable) exists() bool { return t != nil && t.oid != 0 && t.kind == 'r' }

// partitioned reports whether the relation is there and all its rows are those of
// its partitions.
func (t *catalogTable) partitioned() bool { return t != nil && t.oid != 0 && t.kind == 'p' }

// part reports whether the table has its route from another, whose rows hold its
// own: a partition, or a table that inherits.
func (t *catalogTable) part() bool { return t.whole != cdc.TableName{} }

func (t *catalogTable) column(name string) *catalogColumn {
	for i := range t.columns {
		if t.columns[i].name == name {
			return &t.columns[i]
		}
	}
	return nil
}

func (t *catalogTable) columnNames() []string {
	names := make([]string, len(t.columns))
	for i := range t.columns {
		names[i] = t.columns[i].name
	}
	return names
}

func (t *catalogTable) index(name string) *catalogIndex {
	for i := range t.indexes {
		if t.indexes[i].name == name {
			return &t.indexes[i]
		}
	}
	return nil
}

// identityIndex returns the index whose columns old rows are sent with. It is
// nil where the identity is the whole row or nothing, which is also the case of
// a dropped index and of a deferrable primary key.
func (t *catalogTable) identityIndex() *catalogIndex {
	for i := range t.indexes {
		ix := &t.indexes[i]
		if ix.key && (t.identity == 'd' && ix.primary || t.identity == 'i' && ix.identity) {
			return ix
		}
	}
	return nil
}

// identityFull reports whether old rows are sent whole.
func (t *catalogTable) identityFull() bool { return t.identity == 'f' }

// identityColumns returns the columns that old rows are sent with, nil where
// there are none: then the server refuses updates and deletions of the table
// while a publication wants them.
func (t *catalogTable) identityColumns() []string {
	switch ix := t.identityIndex(); {
	case t.identityFull():
		return t.columnNames()
	case ix != nil:
		return ix.columns
	default:
		return nil
	}
}

// generatedColumns reports whether the table has columns that the server
// computes, which it does not send.
func (t *catalogTable) generatedColumns() bool {
	return slices.ContainsFunc(t.columns, func(c catalogColumn) bool { return c.generated })
}

// subset reports whether all of the first are in the second.
func subset(some, all []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// union returns the first with what the others have more, in order.
func union(first []string, more ...[]string) []string {
	all := slices.Clone(first)
	for _, names := range more {
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}
