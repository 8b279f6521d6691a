package postgres

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
)

// sessionSettings are what the store relies on in every session: that it writes
// text as the publisher's does, and what doc.go says of visibility and row-level
// security.
var sessionSettings = func() map[string]string {
	settings := changefeed.TextSettings()
	settings["default_transaction_isolation"] = "read committed"
	settings["row_security"] = "off"
	return settings
}()

const applicationName = "application_name"

// ConnConfig returns the configuration of a pool for [Config.Primary] or
// [Config.Replica] from a connection string of libpq's kind, a URL or key=value
// pairs. It sets what the store relies on, over what the string says of it, and
// application_name to "changefeed" where the string leaves it out. Other fields
// may be changed before the pool is made. A connection pooler in between must
// pass the settings on. Errors do not show the string.
func ConnConfig(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read connection string of document store: %w", withoutSecrets(err))
	}
	params := cfg.ConnConfig.RuntimeParams
	if params[applicationName] == "" {
		params[applicationName] = "changefeed"
	}
	for name, value := range sessionSettings {
		maps.DeleteFunc(params, func(other, _ string) bool { return strings.EqualFold(other, name) })
		params[name] = value
	}
	return cfg, nil
}

// withoutSecrets drops what an error says about the connection string's text: of
// a malformed one nobody can tell which part is the password.
func withoutSecrets(err error) error {
	parse, ok := errors.AsType[*pgconn.ParseConfigError](err)
	if !ok {
		return errors.New("it cannot be parsed")
	}
	parse.ConnString = ""
	text := strings.TrimPrefix(parse.Error(), "cannot parse ``: ")
	if inner := parse.Unwrap(); inner != nil && strings.HasPrefix(text, "failed to parse as ") {
		return errors.New("it is neither a URL (postgres://user@host/database) nor a list of key=value pairs")
	}
	return errors.New(text)
}

// validatePool wants a pool whose sessions have the settings of ConnConfig.
func validatePool(name string, pool *pgxpool.Pool) error {
	params := pool.Config().ConnConfig.RuntimeParams
	for _, setting := range slices.Sorted(maps.Keys(sessionSettings)) {
		if params[setting] != sessionSettings[setting] {
			return fmt.Errorf("%s: its sessions do not have %s=%s: make the pool from ConnConfig", name, setting, sessionSettings[setting])
		}
	}
	return nil
}
