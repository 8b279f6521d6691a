// Package sqlstate names the codes of a server's errors that mean something to
// the publisher or to what sets its database up.
package sqlstate

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// The codes, and what they mean here where that is more than the name says.
const (
	Deadlock         = "40P01"
	DuplicateObject  = "42710"
	DuplicateTable   = "42P07"
	InvalidPassword  = "28P01"
	LockNotAvailable = "55P03"
	NotPrerequisite  = "55000" // the slot is lost; as a warning, a publication is missing here
	ObjectInUse      = "55006" // the slot is active
	Privilege        = "42501"
	UndefinedColumn  = "42703"
	UndefinedObject  = "42704" // no such slot or publication
	UndefinedTable   = "42P01"
)

// The classes of errors, by the first two letters of their codes.
const (
	ClassConnection    = "08"
	ClassAuthorization = "28"
	ClassRollback      = "40"
	ClassNoResources   = "53"
	ClassIntervention  = "57" // shutdown, starting up, cancelled
	ClassSystem        = "58"
)

// Of returns the code of a server's error, or "".
func Of(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code
	}
	return ""
}
