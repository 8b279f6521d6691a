package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Mode is how a server is shut down.
type Mode int

const (
	// Fast ends transactions and sessions, waits until replication clients have
	// received everything, and writes a checkpoint.
	Fast Mode = iota
	// Immediate ends every process at once, without a checkpoint: the next
	// start recovers from the write-ahead log, as after a crash.
	Immediate
)

// String returns PostgreSQL's word for the mode.
func (m Mode) String() string {
	if m == Immediate {
		return "immediate"
	}
	return "fast"
}

func (m Mode) signal() os.Signal {
	if m == Immediate {
		return syscall.SIGQUIT
	}
	return syscall.SIGINT
}

// Done is closed when the server has been stopped, or has ended without having
// been asked to. [Server.Err] says which. Halt does not close it.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns nil until Done is closed, then [ErrStopped], or why the server
// ended with the last lines of its log.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.doneErr
	default:
		return nil
	}
}

// Halt shuts the server down and keeps its data and its port, for [Server.Resume].
// When ctx ends first, the shutdown goes on, and Halt may be called again, with
// another mode if need be. It does nothing to a halted server.
func (s *Server) Halt(ctx context.Context, mode Mode) error {
	p, err := s.ask(mode)
	if err != nil || p == nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s shutdown of the private PostgreSQL: %w", mode, ctx.Err())
	}
}

// ask asks the postmaster to shut down; it returns nil if none runs.
func (s *Server) ask(mode Mode) (*postmaster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	if !s.isRunning() {
		return nil, nil
	}
	p := s.running
	p.expected.Store(true)
	if err := p.process.Signal(mode.signal()); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("signal private PostgreSQL: %w", err)
	}
	wake(p.process)
	return p, nil
}

// Resume starts a halted server again and returns when it takes connections.
func (s *Server) Resume(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.isRunning() {
		return errors.New("resume private PostgreSQL: it is running (halt it first)")
	}
	return s.boot(ctx)
}

// Restart is Halt and Resume.
func (s *Server) Restart(ctx context.Context, mode Mode) error {
	if err := s.Halt(ctx, mode); err != nil {
		return err
	}
	return s.Resume(ctx)
}

// Stop ends the server at once and removes its directory. It is needed also for
// a server that has ended by itself. Further calls do nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	if s.isRunning() {
		s.running.expected.Store(true)
		s.running.kill()
	}
	s.watchers.Wait() // who may still read the log
	err := s.watchdog.release()
	s.finish(ErrStopped)
	return err
}

// usable returns an error in the state done. The caller holds mu.
func (s *Server) usable() error {
	if s.stopped {
		return ErrStopped
	}
	return s.Err()
}

// isRunning reports whether there is a postmaster. The caller holds mu.
func (s *Server) isRunning() bool {
	if s.running == nil {
		return false
	}
	select {
	case <-s.running.exited:
		return false
	default:
		return true
	}
}

// finish enters the state done; the first reason counts.
func (s *Server) finish(reason error) {
	s.finishOnce.Do(func() {
		s.doneErr = reason
		close(s.done)
	})
}
