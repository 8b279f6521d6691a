package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Config is the whole file. The comment on each field's use is in
// docs/configuration.md, which a test holds against these types.
type Config struct {
	State          State      `yaml:"state"`
	DataDir        string     `yaml:"data_dir"`
	Kafka          *Kafka     `yaml:"kafka"`
	Postgres       []Postgres `yaml:"postgres"`
	Pillows        []Pillow   `yaml:"pillows"`
	Log            Log        `yaml:"log"`
	StartupTimeout Duration   `yaml:"startup_timeout"`
	DrainTimeout   Duration   `yaml:"drain_timeout"`

	dir string // of the file, which relative paths start from
}

// State is where the system keeps what it has to remember.
type State struct {
	DSN     string `yaml:"dsn"`
	DSNFile string `yaml:"dsn_file"`
}

// Log says how logs are written.
type Log struct {
	Format string `yaml:"format"`
	Level  string `yaml:"level"`
}

// Duration is a time.Duration written as in 30s or 1m30s.
type Duration time.Duration

// UnmarshalYAML reads a duration with its unit.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text := node.String()
	if s, ok := node.(*ast.StringNode); ok {
		text = s.Value
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed <= 0 {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a duration such as 30s or 5m", text), Token: node.GetToken()}
	}
	*d = Duration(parsed)
	return nil
}

// DefaultPath is the file that commands read without --config.
const DefaultPath = "changefeed.yaml"

// defaultDataDir stands beside the configuration file.
const defaultDataDir = "changefeed-data"

// ErrInvalid is wrapped by every error that the content of the file causes.
var ErrInvalid = errors.New("configuration")

// Load reads, expands and checks the file.
func Load(path string, environment func(string) (string, bool)) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s does not exist: name another file with --config, or write one: docs/configuration.md shows how", ErrInvalid, path)
		}
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c := &Config{dir: filepath.Dir(path)}
	if err := decode(path, text, environment, c); err != nil {
		return nil, err
	}
	return c, c.Complete()
}

// Complete reads the files that keys name, sets defaults and checks the whole.
// Load does it; call it on a Config made otherwise.
func (c *Config) Complete() error {
	if err := c.readFiles(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c.setDefaults()
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (c *Config) setDefaults() {
	if c.DataDir == "" {
		c.DataDir = defaultDataDir
	}
	c.DataDir = c.Path(c.DataDir)
	if c.Log.Format == "" {
		c.Log.Format = "text"
	}
	if c.Log.Level == "" {
		c.Log.Level = "info"
	}
	if c.StartupTimeout == 0 {
		c.StartupTimeout = Duration(60 * time.Second)
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = Duration(30 * time.Second)
	}
	if c.State.DSN == "" && len(c.Postgres) > 0 {
		c.State.DSN = c.Postgres[0].DSN
	}
	for i := range c.Pillows {
		for j := range c.Pillows[i].Processors {
			if t := c.Pillows[i].Processors[j].Table; t != nil && t.DSN == "" {
				t.DSN = c.State.DSN
			}
		}
	}
}

// Path makes a path of the file's absolute or relative to where we are.
func (c *Config) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// Startup is startup_timeout.
func (c *Config) Startup() time.Duration { return time.Duration(c.StartupTimeout) }

// Drain is drain_timeout.
func (c *Config) Drain() time.Duration { return time.Duration(c.DrainTimeout) }

// Validate reports every fault that shows without a server.
func (c *Config) Validate() error {
	var faults []error
	if c.Kafka != nil {
		faults = append(faults, c.Kafka.validate())
	}
	names := make(map[string]bool)
	for i := range c.Postgres {
		if p := &c.Postgres[i]; names[p.Name] {
			faults = append(faults, fmt.Errorf("postgres[%d].name: %q is taken: each source has a name of its own", i, p.Name))
		}
		names[c.Postgres[i].Name] = true
		_, err := c.Publisher(i)
		faults = append(faults, err)
	}
	clear(names)
	for i := range c.Pillows {
		if p := &c.Pillows[i]; names[p.Name] {
			faults = append(faults, fmt.Errorf("pillows[%d].name: %q is taken: each pillow has a name of its own", i, p.Name))
		}
		names[c.Pillows[i].Name] = true
		faults = append(faults, c.validatePillow(i))
	}
	faults = append(faults, c.validateReports(), c.Log.validate())
	return errors.Join(faults...)
}
