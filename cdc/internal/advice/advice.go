// Package advice says what to do about faults that the publisher and what sets
// its database up both meet.
package advice

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/cdc/internal/sqlstate"
)

// MissedChanges says what to do about changes that no slot holds.
const MissedChanges = "what was changed until then and not published is in no topic: touch those rows again (UPDATE … SET id = id); " +
	"for rows deleted meanwhile, empty what the pillows wrote of the table and set their consumer groups back to the first offset"

// ConnectionString says that a connection string cannot be read without repeating
// any of it, since what is wrong with it may be in its password. Certificates, keys
// and services that cannot be read are named.
func ConnectionString(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("read connection string: %w", file)
	}
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		withoutString := *parse
		withoutString.ConnString = ""
		text := strings.TrimPrefix(withoutString.Error(), "cannot parse ``: ")
		for _, cause := range []struct{ text, remedy string }{
			{"failed to configure TLS", "correct sslmode, sslrootcert, sslcert and sslkey of dsn, and the files that they name"},
			{"failed to read service", "correct service of dsn, or the file of services: PGSERVICEFILE, else ~/.pg_service.conf"},
		} {
			if strings.HasPrefix(text, cause.text) {
				return fmt.Errorf("read connection string: %s: %s", text, cause.remedy)
			}
		}
	}
	return errors.New("read connection string: it is neither a URL (postgres://user:password@host:5432/database?sslmode=require, " +
		"with special characters of the password percent-encoded) nor a list of key=value pairs that libpq would take: correct dsn")
}

// Connect adds what to do about a connection that the server refuses. Other
// errors stay as they are.
func Connect(err error) error {
	if remedy := TLS(err); remedy != "" {
		return fmt.Errorf("%w: %s", err, remedy)
	}
	switch code := sqlstate.Of(err); {
	case code == sqlstate.InvalidPassword:
		return fmt.Errorf("%w: check the user and the password of dsn, or what PGPASSWORD and the file of passwords (PGPASSFILE, else ~/.pgpass) say; "+
			"where pg_hba.conf wants a client certificate as well, also that its name is the role's", err)
	case strings.HasPrefix(code, sqlstate.ClassAuthorization):
		return fmt.Errorf("%w: allow the publisher's role and address in pg_hba.conf; where that wants TLS or a client certificate, "+
			"set sslmode, sslcert and sslkey in dsn: the certificate's name has to be the role's, and its authority in the server's ssl_ca_file", err)
	case code == sqlstate.Privilege:
		return fmt.Errorf("%w: grant the publisher's role what it lacks; replication needs ALTER ROLE … REPLICATION", err)
	default:
		return err
	}
}
