package table

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Config says what a report table looks like.
type Config struct {
	// Name of the table, as in the catalogue: case as it is, no quotes.
	Name string
	// Schema of the table. It must exist. Default: public.
	Schema string
	// StateSchema has the guard, report_versions. It is made where it is
	// missing. Default: changefeed.
	StateSchema string
	// Columns of the table, beside _version. Exactly one is the primary key.
	Columns []Column
}

// Column is one column of a report table.
type Column struct {
	// Name as in the catalogue: case as it is, no quotes.
	Name string
	// Path of the value in the document's body, or _id. See the package
	// documentation.
	Path string
	// Type is one of the types in the package documentation, or an SQL alias of
	// one: int8, decimal(10,2), timestamp with time zone.
	Type string
	// PrimaryKey marks the column that identifies the document. Its path is _id.
	PrimaryKey bool
}

// The defaults of Config.
const (
	DefaultSchema      = "public"
	DefaultStateSchema = "changefeed"
)

const (
	idPath        = "_id"
	versionColumn = "_version"
	guardName     = "report_versions"

	// maxName is the longest name in bytes; PostgreSQL cuts a longer one.
	maxName = 63
	// maxColumns is PostgreSQL's limit of 1600 columns, less _version.
	maxColumns = 1599

	keyExample = "{name: id, path: _id, type: text, primary_key: true}"
)

// WithDefaults returns a copy with every empty field set to its default.
func (c Config) WithDefaults() Config {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	if c.StateSchema == "" {
		c.StateSchema = DefaultStateSchema
	}
	return c
}

// Validate reports every fault that shows without the database.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("report table %q: "+format, append([]any{c.Name}, args...)...))
	}
	for _, n := range []struct{ what, name string }{{"name", c.Name}, {"schema", c.Schema}, {"state schema", c.StateSchema}} {
		if err := validateName(n.name); err != nil {
			fault("%s: %w", n.what, err)
		}
	}
	for _, schema := range []string{c.Schema, c.StateSchema} {
		if strings.HasPrefix(schema, "pg_") {
			fault("schema %q: PostgreSQL keeps names that start with pg_ for itself", schema)
		}
	}
	if c.Schema == c.StateSchema && c.Name == guardName {
		fault("the name is taken by the guard of all report tables: choose another")
	}
	if len(c.Columns) > maxColumns {
		fault("%d columns: PostgreSQL allows %d beside %s", len(c.Columns), maxColumns, versionColumn)
	}
	keys, seen := 0, make(map[string]bool)
	for _, column := range c.Columns {
		if err := column.validate(); err != nil {
			fault("column %q: %w", column.Name, err)
		}
		if seen[column.Name] {
			fault("column %q: it is listed twice: give one of them another name", column.Name)
		}
		seen[column.Name] = true
		if column.PrimaryKey {
			keys++
		}
	}
	switch {
	case keys == 0:
		fault("no column is the primary key: add %s to columns", keyExample)
	case keys > 1:
		fault("%d columns are the primary key: a row is one document, so keep primary_key: true on the column with path: %s alone", keys, idPath)
	}
	return errors.Join(faults...)
}

// systemColumns are the names that every table of PostgreSQL uses up itself.
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

func (c Column) validate() error {
	var faults []error
	if err := validateName(c.Name); err != nil {
		faults = append(faults, err)
	}
	switch {
	case c.Name == versionColumn:
		faults = append(faults, errors.New("the name is taken by the row's version: choose another"))
	case systemColumns[c.Name]:
		faults = append(faults, errors.New("the name is taken by a system column of PostgreSQL: choose another"))
	}
	if err := validatePath(c.Path); err != nil {
		faults = append(faults, err)
	}
	if c.PrimaryKey && c.Path != idPath {
		faults = append(faults, fmt.Errorf("path %q of the primary key: a row is one document, so it must be %s, as in %s", c.Path, idPath, keyExample))
	}
	t, err := parseType(c.Type)
	switch {
	case err != nil:
		faults = append(faults, err)
	case c.Path == idPath && t.canonical == nil:
		faults = append(faults, fmt.Errorf("type %q of a document's id: use one of %s", c.Type, keyTypes))
	}
	return errors.Join(faults...)
}

func validateName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d bytes, and PostgreSQL would cut it after %d", len(name), maxName)
	case strings.Contains(name, "\x00"), !utf8.ValidString(name):
		return errors.New("the name holds bytes that PostgreSQL cannot store")
	}
	return nil
}

func validatePath(path string) error {
	if path == "" {
		return fmt.Errorf("no path: set path to the value's place in the document, such as address.city, or to %s", idPath)
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return fmt.Errorf("path %q: a name between the dots is empty", path)
		}
	}
	if !utf8.ValidString(path) {
		return fmt.Errorf("path %q is not UTF-8", path)
	}
	return nil
}
