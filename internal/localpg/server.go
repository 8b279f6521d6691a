package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Server is a private PostgreSQL. Its methods may be called from several
// goroutines.
type Server struct {
	// Not changed after Start.
	binaries binaries
	as       *account
	dir      string
	port     int
	password string
	fsync    bool
	settings map[string]string
	logger   *slog.Logger
	watchdog *watchdog

	// mu is held while the server is started or ended.
	mu      sync.Mutex
	running *postmaster // the last one started; it may have ended
	stopped bool

	watchers   sync.WaitGroup // one for each postmaster that became ready
	finishOnce sync.Once
	done       chan struct{}
	doneErr    error // set before done is closed
}

// Start finds or downloads PostgreSQL, makes a new server and returns when it
// takes connections. The server does not depend on ctx afterwards: call
// [Server.Stop]. Without PostgreSQL the error wraps [ErrUnavailable].
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if errPlatform != nil {
		return nil, errPlatform
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check configuration of the private PostgreSQL: %w", err)
	}
	cfg = cfg.withDefaults()
	as, err := serverAccount(cfg.User)
	if err != nil {
		return nil, err
	}
	found, err := chooseBinaries(ctx, cfg, as)
	if err != nil {
		return nil, err
	}
	s := &Server{
		binaries: found, as: as, password: rand.Text(), fsync: cfg.Fsync,
		settings: cfg.Settings, logger: cfg.Logger, done: make(chan struct{}),
	}
	if err := s.settle(); err != nil {
		return nil, err
	}
	err = s.initialize(ctx)
	if err == nil {
		err = s.bootFirst(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.logger.InfoContext(ctx, "private PostgreSQL started",
		"version", found.version.String(), "binaries", found.dir, "directory", s.dir, "port", s.port)
	return s, nil
}

func chooseBinaries(ctx context.Context, cfg Config, as *account) (binaries, error) {
	if cfg.BinDir == "" {
		f, err := newFinder(cfg, as)
		if err != nil {
			return binaries{}, err
		}
		return f.find(ctx)
	}
	dir, ok := serverFolder(cfg.BinDir)
	if !ok {
		return binaries{}, fmt.Errorf("use PostgreSQL of %s: %w: initdb and postgres are not both there (give the absolute path of the folder that holds them)", cfg.BinDir, ErrUnavailable)
	}
	return inspect(ctx, dir, as)
}

// settle makes the directory and its watchdog.
func (s *Server) settle() error {
	dir, err := makeDirectory(s.as)
	if err != nil {
		return err
	}
	s.dir = dir
	s.watchdog, err = startWatchdog(dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// Version is the version of the server.
func (s *Server) Version() Version { return s.binaries.version }

// BinDir is the folder of the server's programs. A downloaded server has no
// psql and no pgbench there: see [Server.Command].
func (s *Server) BinDir() string { return s.binaries.dir }

// Dir is the server's private directory, which holds its socket.
func (s *Server) Dir() string { return s.dir }

// DataDir is the data directory.
func (s *Server) DataDir() string { return s.dataDir() }

// Port is the port on 127.0.0.1, and the number in the socket's name.
func (s *Server) Port() int { return s.port }

// PID is the process id of the postmaster, for tests that suspend or kill it; 0
// while it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isRunning() {
		return 0
	}
	return s.running.process.Pid
}

// Log is the path of the log. The file goes with the server.
func (s *Server) Log() string { return filepath.Join(s.dir, "log") }

// LogTail returns the last lines of the log, or why they cannot be read.
func (s *Server) LogTail() string {
	text, err := readLog(s.Log(), 0)
	if err != nil {
		return err.Error()
	}
	return lastLines(text, tailLines)
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

func (s *Server) openLog() (*os.File, error) {
	f, err := os.OpenFile(s.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of the private PostgreSQL: %w", err)
	}
	return f, nil
}

func (s *Server) logHolds(from int64, text string) bool {
	tail, err := readLog(s.Log(), from)
	return err == nil && strings.Contains(string(tail), text)
}

// explainLog is the part of an error that shows the end of the log and, for the
// causes that are common, what to do.
func (s *Server) explainLog(from int64) string {
	tail, err := readLog(s.Log(), from)
	if err != nil {
		return "\n\t" + err.Error()
	}
	if len(tail) == 0 {
		return "\n\tits log is empty: something ended it from outside; look for a lack of memory in the system's log"
	}
	return indented("the end of its log:\n"+lastLines(tail, tailLines)) + indented(remedy(string(tail)))
}

// remedy says what to do about the causes that a person meets.
func remedy(log string) string {
	for _, known := range []struct{ symptom, advice string }{
		{"No space left on device", "free disk space, or set TMPDIR to a folder on another disk"},
		{"could not create shared memory", "allow more shared memory (/dev/shm of a container: docker run --shm-size=256m), or end PostgreSQL servers that are not needed"},
		{"could not resize shared memory", "allow more shared memory (/dev/shm of a container: docker run --shm-size=256m), or end PostgreSQL servers that are not needed"},
		{"could not map anonymous shared memory", "give the server a smaller shared_buffers, or end processes that are not needed"},
		{"unrecognized configuration parameter", "correct the settings given to the server"},
		{"invalid value for parameter", "correct the settings given to the server"},
		{"outside the valid range", "correct the settings given to the server"},
		{"Permission denied", "let the server's user read the folders of PostgreSQL's programs and libraries"},
		{"error while loading shared libraries", "install the named library, or PostgreSQL from a package of this system"},
	} {
		if strings.Contains(log, known.symptom) {
			return "what to do: " + known.advice
		}
	}
	return ""
}
