package localpg

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Config describes a private server. The zero value is a good one.
type Config struct {
	// BinDir is the folder with initdb and postgres, of any version that has
	// logical replication. Empty: searched for, see the package documentation.
	BinDir string

	// Major is the major version to run, from 14 to 18, of any minor version where
	// one is installed, downloaded elsewhere. 0: 15 or later. It is not looked at
	// where BinDir is given.
	Major int

	// Repository is the URL of the Maven repository that a server is downloaded
	// from. Empty: Maven Central.
	Repository string

	// CacheDir keeps downloaded binaries. Empty: "changefeed" in the user's
	// cache folder, or /var/cache/changefeed where the server's account cannot
	// enter that one.
	CacheDir string

	// User is the account that the server of a root process runs as. Empty:
	// postgres, or nobody where there is no postgres. Processes of other users
	// ignore it.
	User string

	// Fsync makes the server write to the disk before it confirms a commit, as
	// a real one does. Only a test that takes the machine away can tell.
	Fsync bool

	// Settings are put into postgresql.conf after the defaults of this package,
	// and so win over them; ALTER SYSTEM wins over both. Values are plain text,
	// not quoted.
	Settings map[string]string

	// Logger receives what takes long or matters: a download, the start, an
	// unexpected end. Nil: discarded.
	Logger *slog.Logger
}

// settingName is the name of a setting, extension prefix included. PostgreSQL
// ignores the case; one spelling keeps two entries from meaning the same.
var settingName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// ownSettings are decided by this package; another value would take the server
// out of its private directory or hide it from its owner.
var ownSettings = []string{
	"config_file", "data_directory", "external_pid_file", "hba_file", "ident_file",
	"listen_addresses", "port", "unix_socket_directories",
}

// Validate reports every problem of the configuration.
func (c Config) Validate() error {
	var problems []error
	if _, known := releases[c.Major]; c.Major != 0 && !known {
		problems = append(problems, fmt.Errorf("major version %d: not one of %v", c.Major, slices.Sorted(maps.Keys(releases))))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		switch {
		case !settingName.MatchString(name):
			problems = append(problems, fmt.Errorf("setting %q: not the name of a PostgreSQL setting in lower case", name))
		case slices.Contains(ownSettings, name):
			problems = append(problems, fmt.Errorf("setting %s: chosen by the private server itself, leave it out", name))
		case strings.ContainsFunc(c.Settings[name], isControl):
			problems = append(problems, fmt.Errorf("setting %s: its value holds a control character", name))
		}
	}
	return errors.Join(problems...)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// withDefaults returns a copy in which everything that needs no machine is
// filled in.
func (c Config) withDefaults() Config {
	settings := map[string]string{
		"wal_level": "logical",
		// Tests hold many slots and walsenders at a time.
		"max_replication_slots": "20",
		"max_wal_senders":       "20",
		// Several test packages run their servers side by side.
		"shared_buffers": "32MB",
		"huge_pages":     "off",
		// What is printed must not depend on the machine.
		"timezone":     "UTC",
		"log_timezone": "UTC",
	}
	if !c.Fsync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.Settings)
	c.Settings = settings
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
