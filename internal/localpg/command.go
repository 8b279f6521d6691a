package localpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Command prepares one of PostgreSQL's client programs, such as psql or
// pgbench, to work on a database of the server through its socket. The program
// is the server's own, or the one on PATH. If there is none, the error wraps
// [ErrUnavailable].
func (s *Server) Command(ctx context.Context, database, name string, args ...string) (*exec.Cmd, error) {
	path := s.binaries.program(name)
	if !isProgram(path) {
		var err error
		if path, err = exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("find PostgreSQL's program %s: %w (install PostgreSQL's client programs, for example with `apt-get install postgresql-client postgresql-contrib`, or put their folder on PATH)", name, ErrUnavailable)
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("find PostgreSQL's program %s: %w", name, err)
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = s.Environ(database)
	return cmd, nil
}

// Environ is this process's environment, with libpq's variables set so that a
// program connects to a database of the server through its socket.
func (s *Server) Environ(database string) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "PG") })
	return append(env,
		"PGHOST="+s.dir,
		"PGPORT="+strconv.Itoa(s.port),
		"PGUSER="+superuser,
		"PGDATABASE="+database,
	)
}
