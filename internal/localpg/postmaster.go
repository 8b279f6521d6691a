package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// startTimeout bounds one start of the postmaster, recovery included.
	startTimeout = 60 * time.Second
	// readyInterval is how often the postmaster's state is read meanwhile.
	readyInterval = 10 * time.Millisecond
	// portAttempts is how many ports are tried.
	portAttempts = 10
)

// errPortTaken says that somebody else listens on the server's port.
var errPortTaken = errors.New("the port is in use")

// postmaster is one run of the server's first process.
type postmaster struct {
	process *os.Process
	logFrom int64 // where its part of the log begins

	// expected is set before the postmaster is asked to end.
	expected atomic.Bool

	// exited is closed when the postmaster has ended; exitErr is set before.
	exited  chan struct{}
	exitErr error
}

// bootFirst starts the postmaster for the first time, on a port it finds.
func (s *Server) bootFirst(ctx context.Context) error {
	var err error
	for range portAttempts {
		s.port, err = freePort(ctx)
		if err != nil {
			return err
		}
		err = s.boot(ctx)
		if !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// boot starts the postmaster and waits until it takes connections. On an error
// none is left running.
func (s *Server) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %v", startTimeout))
	defer cancel()
	p, err := s.launch()
	if err != nil {
		return err
	}
	if err := s.waitReady(ctx, p); err != nil {
		p.expected.Store(true)
		p.kill()
		return fmt.Errorf("start PostgreSQL %s of %s: %w%s", s.binaries.version, s.binaries.dir, err, s.explainLog(p.logFrom))
	}
	s.running = p
	s.watchers.Go(func() { s.watch(p) })
	return nil
}

// launch starts the process. It is reaped by a goroutine of the postmaster's
// own, which ends with it.
func (s *Server) launch() (*postmaster, error) {
	log, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close() // the postmaster has its own copy
	info, err := log.Stat()
	if err != nil {
		return nil, fmt.Errorf("measure log of the private PostgreSQL: %w", err)
	}
	//nolint:noctx // The server outlives the context of its start; Stop ends it.
	cmd := exec.Command(s.binaries.program("postgres"),
		"-D", s.dataDir(),
		"-k", s.dir,
		"-p", strconv.Itoa(s.port),
		"-c", "listen_addresses="+loopback,
	)
	cmd.Stdout, cmd.Stderr = log, log
	s.watchdog.adopt(cmd, s.as)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres of %s as %s: %w", s.binaries.dir, s.as, err)
	}
	p := &postmaster{process: cmd.Process, logFrom: info.Size(), exited: make(chan struct{})}
	go func() {
		p.exitErr = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// waitReady returns when the postmaster takes connections.
func (s *Server) waitReady(ctx context.Context, p *postmaster) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			if s.logHolds(p.logFrom, "Address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("it ended at once: %w", p.end())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if s.ready(p.process.Pid) {
				return nil
			}
		}
	}
}

// ready reports whether the postmaster's lock file says that it takes
// connections: its first line is the process id, its eighth the state.
func (s *Server) ready(pid int) bool {
	content, err := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	if err != nil {
		return false // not there yet
	}
	lines := bytes.Split(content, []byte("\n"))
	return len(lines) >= 8 &&
		string(lines[0]) == strconv.Itoa(pid) &&
		strings.TrimSpace(string(lines[7])) == "ready"
}

// watch makes an end that nobody asked for known.
func (s *Server) watch(p *postmaster) {
	<-p.exited
	if p.expected.Load() {
		return
	}
	err := fmt.Errorf("the private PostgreSQL has ended by itself: %w%s", p.end(), s.explainLog(p.logFrom))
	s.logger.Error("private PostgreSQL has ended", "error", err)
	s.finish(err)
}

// end is how the postmaster ended. It may be called once exited is closed.
func (p *postmaster) end() error {
	if p.exitErr != nil {
		return p.exitErr
	}
	return errors.New("exit status 0")
}

// kill ends the postmaster, and so the server, as fast as it can be done cleanly
// and returns when it has ended.
func (p *postmaster) kill() {
	_ = p.process.Signal(syscall.SIGQUIT)
	wake(p.process)
	overdue := time.AfterFunc(removalTimeout, func() { _ = p.process.Kill() })
	defer overdue.Stop()
	<-p.exited
}
