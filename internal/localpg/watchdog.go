package localpg

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

//go:embed watchdog.sh
var watchdogScript string

// removalTimeout bounds how long release waits for an immediate shutdown and
// the removal of the directory. The postmaster itself kills what has not ended
// after five seconds.
const removalTimeout = 30 * time.Second

// watchdog is the shell that ends the server when we are gone. See Lifetime in
// the package documentation.
type watchdog struct {
	dir   string
	shell *exec.Cmd
	// owner and life are the write ends of the two pipes.
	owner, life *os.File
}

// startWatchdog starts the watchdog of a server directory. From here on the
// directory is removed when this process ends.
func startWatchdog(dir string) (*watchdog, error) {
	ownerRead, owner, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make owner pipe: %w", err)
	}
	defer ownerRead.Close()
	lifeRead, life, err := os.Pipe()
	if err != nil {
		owner.Close()
		return nil, fmt.Errorf("make life pipe: %w", err)
	}
	defer lifeRead.Close()

	//nolint:noctx // The watchdog outlives every context; release ends it.
	shell := exec.Command("/bin/sh", "-c", watchdogScript, "changefeed-pg", dir)
	shell.Dir = "/"
	shell.Env = serverEnvironment()
	shell.Stdin = ownerRead
	shell.ExtraFiles = []*os.File{lifeRead}
	shell.SysProcAttr = newGroup()
	if err := shell.Start(); err != nil {
		owner.Close()
		life.Close()
		return nil, fmt.Errorf("start watchdog of the private PostgreSQL: %w", err)
	}
	return &watchdog{dir: dir, shell: shell, owner: owner, life: life}, nil
}

// adopt makes a command, not yet started, one of the server's processes: it
// joins the group, inherits the life pipe and runs under the given account.
func (w *watchdog) adopt(cmd *exec.Cmd, as *account) {
	cmd.SysProcAttr = inGroup(w.shell.Process.Pid, as)
	cmd.ExtraFiles = []*os.File{w.life}
	cmd.Dir = w.dir
	cmd.Env = serverEnvironment()
}

// release lets the watchdog do its work now: it returns when no process of the
// server and no directory is left, or with an error after removalTimeout.
func (w *watchdog) release() error {
	w.life.Close()
	w.owner.Close()
	overdue := time.AfterFunc(removalTimeout, func() { _ = w.shell.Process.Kill() })
	waitErr := w.shell.Wait()
	overdue.Stop()
	// The watchdog has removed it, unless somebody killed the watchdog.
	if err := os.RemoveAll(w.dir); err != nil {
		return errors.Join(waitErr, fmt.Errorf("remove directory of the private PostgreSQL (end its processes, then delete it by hand): %w", err))
	}
	if waitErr != nil {
		return fmt.Errorf("wait for watchdog of the private PostgreSQL, a server process may be left: %w", waitErr)
	}
	return nil
}

// serverEnvironment is the environment of every process of the server. Ours is
// not passed on: it may hold secrets, which the server's account could read, and
// variables that change what PostgreSQL does.
func serverEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}
