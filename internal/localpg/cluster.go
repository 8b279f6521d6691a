package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// superuser is the role that initdb makes and every connection uses.
const superuser = "postgres"

// initialize makes the data directory and its configuration.
func (s *Server) initialize(ctx context.Context) error {
	passwordFile := filepath.Join(s.dir, "password")
	if err := writePrivate(passwordFile, s.password+"\n", s.as); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.dataDir(),
		"--username=" + superuser,
		"--pwfile=" + passwordFile,
		"--auth-local=trust", // behind a directory with mode 0700
		"--auth-host=scram-sha-256",
		"--encoding=UTF8",
		"--locale=C",
		"--no-instructions",
	}
	if !s.fsync {
		args = append(args, "--no-sync")
	}
	runErr := s.run(ctx, "initdb", args...)
	if err := errors.Join(runErr, os.Remove(passwordFile)); err != nil {
		return fmt.Errorf("make data directory of the private PostgreSQL: %w", err)
	}
	return appendTo(filepath.Join(s.dataDir(), "postgresql.conf"), configurationLines(s.settings))
}

// run runs one of the server's programs to its end, with its output in the log.
func (s *Server) run(ctx context.Context, name string, args ...string) error {
	log, err := s.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.binaries.program(name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	s.watchdog.adopt(cmd, s.as)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("run %s: %w", name, ctx.Err())
		}
		return fmt.Errorf("run %s: %w%s", name, err, s.explainLog(0))
	}
	return nil
}

// configurationLines renders settings as lines of postgresql.conf, in a fixed
// order.
func configurationLines(settings map[string]string) []byte {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `''`)
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, quote.Replace(settings[name]))
	}
	return b.Bytes()
}

// writePrivate makes a file that only the account can read.
func writePrivate(path, content string, as *account) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return as.give(path)
}

func appendTo(path string, lines []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open configuration of the private PostgreSQL: %w", err)
	}
	_, err = f.Write(lines)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write configuration of the private PostgreSQL: %w", err)
	}
	return nil
}
