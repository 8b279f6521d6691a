// Package advice says what to do about faults that the publisher and what sets
// its database up both meet.
package advice

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"changefeed/cdc/internal/sqlstate"
)

// MissedChanges says what to do about changes that no slot holds.
const MissedChanges = "what was changed until then and not published is in no topic: touch those rows again (UPDATE … SET id = id); " +
	"for rows deleted meanwhile, empty what the pillows wrote of the table and set their consumer groups back to the first offset"

// ConnectionString says that a connection string cannot be read without repeating
// any of it, since what is wrong with it may be in its password. A certificate
// that cannot be opened is named.
func ConnectionString(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("read connection string: %w", file)
	}
	return errors.New("read connection string: it is neither a URL (postgres://user:password@host:5432/database?sslmode=require, " +
		"with special characters of the password percent-encoded) nor a list of key=value pairs that libpq would take: correct dsn")
}

// Connect adds what to do about a connection that the server refuses. Other
// errors stay as they are.
func Connect(err error) error {
	switch code := sqlstate.Of(err); {
	case code == sqlstate.InvalidPassword:
		return fmt.Errorf("%w: check the user and the password of dsn", err)
	case strings.HasPrefix(code, sqlstate.ClassAuthorization):
		return fmt.Errorf("%w: allow the publisher's role and address in pg_hba.conf", err)
	case code == sqlstate.Privilege:
		return fmt.Errorf("%w: grant the publisher's role what it lacks; replication needs ALTER ROLE … REPLICATION", err)
	default:
		return err
	}
}
