package cdc

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed"
	"changefeed/cdc/internal/advice"
)

// Config says what one publisher publishes, and from where.
type Config struct {
	// Source is the name of the database in positions, logs and metrics. It
	// holds no "/".
	Source string
	// DSN is a connection string of libpq's kind, a URL or key=value pairs. The
	// publisher adds replication=database where it needs it.
	DSN string
	// Slot is the logical replication slot. Default: changefeed_<source>.
	Slot string
	// Publication is the first publication's name; tables that leave out
	// operations are in others, whose names start with it. Default: as Slot.
	Publication string
	// Tables are the routes. At least one.
	Tables []Table
	// Topics are further topics that logical messages may publish on, beside
	// those of the tables.
	Topics []string
	// AllowSuppress lets suppress messages leave out what follows them in their
	// transaction. Any role that can emit messages can then hide changes.
	AllowSuppress bool
	// Epoch of the source's positions. Default: 1.
	Epoch uint32
	// StatusInterval is the time between two status updates to the server.
	// Default: 1 s. It must be well below the server's wal_sender_timeout.
	StatusInterval time.Duration
	// SilenceTimeout is how long the server may send nothing at all, although it
	// is asked for a sign of life, until the connection counts as lost. A server
	// that is at work on its log may be silent for longer. Default: 30 s.
	SilenceTimeout time.Duration
	// StartupTimeout is how long Run waits for a server that cannot be reached
	// at the start. Default: 60 s. Later losses are waited for without end.
	StartupTimeout time.Duration
	// DrainTimeout is how long Run goes on after its context has ended, until
	// what has been read is acknowledged. Default: 30 s.
	DrainTimeout time.Duration
	// NoWait makes Run fail at once where the slot is active elsewhere, instead
	// of waiting for it as a stand-by.
	NoWait bool
	// WatchInterval is the time between two looks at what the server keeps for the
	// slot. Default: 10 s.
	WatchInterval time.Duration
	// RetainedWarning is how many bytes of its log the server may keep for the slot
	// before that is reported. Default: 1 GiB.
	RetainedWarning int64
	// PieceDocuments and PieceBytes bound what is held of one transaction: past
	// either it is published in pieces. Positions depend on them. Defaults:
	// 50,000 documents and 16 MiB as counted from the log.
	PieceDocuments int
	PieceBytes     int
}

// The defaults of Config.
const (
	DefaultStatusInterval  = time.Second
	DefaultSilenceTimeout  = 30 * time.Second
	DefaultStartupTimeout  = 60 * time.Second
	DefaultDrainTimeout    = 30 * time.Second
	DefaultWatchInterval   = 10 * time.Second
	DefaultRetainedWarning = 1 << 30
	DefaultPieceDocuments  = 50_000
	DefaultPieceBytes      = 16 << 20
)

// WithDefaults returns a copy with every zero field set to its default.
func (c Config) WithDefaults() Config {
	c.Slot = cmp.Or(c.Slot, "changefeed_"+c.Source)
	c.Publication = cmp.Or(c.Publication, c.Slot)
	c.Epoch = cmp.Or(c.Epoch, 1)
	c.StatusInterval = cmp.Or(c.StatusInterval, DefaultStatusInterval)
	c.SilenceTimeout = cmp.Or(c.SilenceTimeout, DefaultSilenceTimeout)
	c.StartupTimeout = cmp.Or(c.StartupTimeout, DefaultStartupTimeout)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.WatchInterval = cmp.Or(c.WatchInterval, DefaultWatchInterval)
	c.RetainedWarning = cmp.Or(c.RetainedWarning, DefaultRetainedWarning)
	c.PieceDocuments = cmp.Or(c.PieceDocuments, DefaultPieceDocuments)
	c.PieceBytes = cmp.Or(c.PieceBytes, DefaultPieceBytes)
	return c
}

// Validate reports every fault that shows without the database.
func (c Config) Validate() error {
	var faults []error
	if err := validateSource(c.Source); err != nil {
		faults = append(faults, err)
	}
	if c.DSN == "" {
		faults = append(faults, fmt.Errorf("source %s: no connection string: set dsn", c.Source))
	} else if _, err := pgconn.ParseConfig(c.DSN); err != nil {
		faults = append(faults, fmt.Errorf("source %s: %w", c.Source, advice.ConnectionString(err)))
	}
	names := []string{c.Slot, c.Publication}
	for _, p := range c.Publications() {
		if p.Name != c.Publication {
			names = append(names, p.Name)
		}
	}
	for _, name := range names {
		if err := validateSlot(name); err != nil {
			faults = append(faults, fmt.Errorf("source %s: %w", c.Source, err))
		}
	}
	faults = append(faults, c.validateLimits())
	if len(c.Tables) == 0 {
		faults = append(faults, fmt.Errorf("source %s: no tables: name at least one under tables", c.Source))
	}
	seen := make(map[TableName]bool)
	for i := range c.Tables {
		t := &c.Tables[i]
		if seen[t.Name] {
			faults = append(faults, fmt.Errorf("table %s: it is listed twice: a table has one route", t.Name))
		}
		seen[t.Name] = true
		faults = append(faults, t.validate(c.Tables))
	}
	faults = append(faults, c.validateTopics())
	return errors.Join(faults...)
}

// validateTopics wants one order for all tables of a topic: the changes of a
// transaction would else not be in the order of their positions there.
func (c *Config) validateTopics() error {
	var faults []error
	first := make(map[string]*Table)
	for i := range c.Tables {
		t := &c.Tables[i]
		if t.Satellite() {
			continue
		}
		if other := first[t.Topic]; other == nil {
			first[t.Topic] = t
		} else if other.Order != t.Order {
			faults = append(faults, fmt.Errorf("table %s: its order is %d, that of %s is %d, and both have topic %s: give them one order, or two topics",
				t.Name, t.Order, other.Name, other.Order, t.Topic))
		}
	}
	for _, name := range c.Topics {
		if err := changefeed.ValidateTopic(name); err != nil {
			faults = append(faults, fmt.Errorf("source %s: topics: %w", c.Source, err))
		}
	}
	return errors.Join(faults...)
}

// TopicNames returns all topics that changes of the source can be published on,
// sorted.
func (c *Config) TopicNames() []string {
	names := slices.Clone(c.Topics)
	for i := range c.Tables {
		if t := &c.Tables[i]; !t.Satellite() {
			names = append(names, t.Topic)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxPieceBytes keeps the texts of a piece, escaped, within what a span can
// address.
const maxPieceBytes = 256 << 20

// validateLimits compares numbers with their bounds. Zero stands for a default.
func (c *Config) validateLimits() error {
	var faults []error
	for _, limit := range []struct {
		name        string
		value, most int64
	}{
		{"epoch", int64(c.Epoch), changefeed.MaxEpoch},
		{"status interval", int64(c.StatusInterval), math.MaxInt64},
		{"silence timeout", int64(c.SilenceTimeout), math.MaxInt64},
		{"startup timeout", int64(c.StartupTimeout), math.MaxInt64},
		{"drain timeout", int64(c.DrainTimeout), math.MaxInt64},
		{"watch interval", int64(c.WatchInterval), math.MaxInt64 / heldLooks},
		{"retained warning", c.RetainedWarning, 1 << 50},
		{"documents of a piece", int64(c.PieceDocuments), 1 << 24},
		{"bytes of a piece", int64(c.PieceBytes), maxPieceBytes},
	} {
		if limit.value < 0 || limit.value > limit.most {
			faults = append(faults, fmt.Errorf("source %s: %s is %d: want 1 to %d", c.Source, limit.name, limit.value, limit.most))
		}
	}
	return errors.Join(faults...)
}

// validateSource wants a name that can stand in a position, a slot's name and a
// metric's label.
func validateSource(name string) error {
	if err := validateSlot(name); err != nil {
		return fmt.Errorf("source name: %w", err)
	}
	return nil
}

// validateSlot applies PostgreSQL's rule for slot names, to all names that it
// is derived from.
func validateSlot(name string) error {
	if name == "" || len(name) > 63 {
		return fmt.Errorf("name %q must have 1 to 63 characters", name)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return fmt.Errorf("name %q holds %q: use lower-case letters, digits and \"_\"", name, r)
		}
	}
	return nil
}

// Publication is one publication that a slot is read through.
type Publication struct {
	Name       string
	Operations Operations
	Tables     []*Table
}

// Publications groups the tables by the operations that they publish: a
// publication has one set of operations for all its tables. Call it on a Config
// with defaults.
func (c *Config) Publications() []Publication {
	var all []Publication
	for i := range c.Tables {
		t := &c.Tables[i]
		ops := t.operations()
		name := c.Publication
		if ops != AllOperations {
			name += "_" + ops.suffix()
		}
		at := 0
		for at < len(all) && all[at].Name != name {
			at++
		}
		if at == len(all) {
			all = append(all, Publication{Name: name, Operations: ops})
		}
		all[at].Tables = append(all[at].Tables, t)
	}
	return all
}

// PublicationFamily returns the names that publications of the source can have,
// whatever its tables are: one for each set of operations. Call it on a Config
// with defaults.
func (c *Config) PublicationFamily() []string {
	names := []string{c.Publication}
	for ops := Operations(1); ops < AllOperations; ops++ {
		names = append(names, c.Publication+"_"+ops.suffix())
	}
	return names
}

// Table returns the route of a table, nil where there is none.
func (c *Config) Table(name TableName) *Table { return findTable(c.Tables, name) }

// dataSourceName is the name that changes of a table carry where the route
// gives none, and under which its document store is registered.
func dataSourceName(source string, t TableName) string { return source + "/" + t.String() }

// DataSourceName returns the data source name of a table's changes.
func (c *Config) DataSourceName(t *Table) string {
	if t.DataSourceName != "" {
		return t.DataSourceName
	}
	return dataSourceName(c.Source, t.Name)
}
