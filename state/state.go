package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
)

const (
	// connectTimeout limits the making of a connection.
	connectTimeout = 5 * time.Second
	// statementTimeout is when the server gives a statement up.
	statementTimeout = 5 * time.Second
	// callTimeout is when a caller stops waiting for a server that does not answer
	// at all. It is the longest, so that a server that lives says why.
	callTimeout = 10 * time.Second
)

// Store keeps state in one database. Its methods may be called from many
// goroutines.
type Store struct{ pool *pgxpool.Pool }

// New returns a Store. It does not connect. The pool is made from [ConnConfig]
// and closed by the caller when the store is no longer used.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// ConnConfig returns the configuration of a pool for [New] from a connection
// string of libpq's kind, a URL or key=value pairs. It limits how long connecting
// and a statement may take, and sets application_name to "changefeed" where the
// string leaves it out. Errors do not show the string.
func ConnConfig(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The parser's own message can hold a part of the password.
		return nil, errors.New("read connection string of state.dsn: it is neither a URL (postgres://user:password@host:5432/database, " +
			"with special characters of the password percent-encoded) nor a list of key=value pairs")
	}
	params := cfg.ConnConfig.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "changefeed"
	}
	params["statement_timeout"] = strconv.FormatInt(statementTimeout.Milliseconds(), 10)
	if t := cfg.ConnConfig.ConnectTimeout; t == 0 || t > connectTimeout {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	cfg.MaxConns = 4 // a source has one statement at a time
	return cfg, nil
}

// errSilent is the cause of a call's end after callTimeout.
var errSilent = fmt.Errorf("the server of state.dsn has not answered within %s", callTimeout)

// limit bounds a call.
func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callTimeout, errSilent)
}

// The SQLSTATEs that are told apart.
const (
	codeInsufficientPrivilege = "42501"
	codeLockNotAvailable      = "55P03"
	codeReadOnly              = "25006"
	codeUndefinedTable        = "42P01"
	codeUndefinedSchema       = "3F000"
	codeUniqueViolation       = "23505"
	codeDuplicateSchema       = "42P06"
	codeDuplicateTable        = "42P07"
	codeDuplicateFunction     = "42723"
	codeUndefinedDatabase     = "3D000"
	classAuthorization        = "28" // how its codes begin
)

// sqlState returns the code of a server's error, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// explain adds to the error of a call what to do about it. ctx is that of limit.
func explain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	switch code := sqlState(err); code {
	case codeUndefinedTable, codeUndefinedSchema:
		return fmt.Errorf("%w: the state schema is missing or older than this program: run \"changefeed init\"", err)
	case codeInsufficientPrivilege:
		return fmt.Errorf("%w: \"changefeed check\" prints the GRANT that is missing", err)
	case codeReadOnly:
		return fmt.Errorf("%w: state.dsn must lead to the primary (target_session_attrs=read-write finds it among several hosts)", err)
	case codeUndefinedDatabase:
		return fmt.Errorf("%w: create it, or correct state.dsn", err)
	default:
		if strings.HasPrefix(code, classAuthorization) {
			return fmt.Errorf("%w: check user and password of state.dsn, and pg_hba.conf", err)
		}
		return err
	}
}

// textOf writes the text of a position, empty for none.
func textOf(p changefeed.Position) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}
