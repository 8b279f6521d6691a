package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "changefeed-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "changefeed")
	build := exec.Command("go", "build", "-o", program, "changefeed/cmd/changefeed")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	return m.Run()
}

// result is a command that has ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func (s *site) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("changefeed %v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to succeed.
func (s *site) must(t *testing.T, args ...string) result {
	t.Helper()
	r := s.run(t, args...)
	if r.code != 0 {
		t.Fatalf("changefeed %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r
}

// process is a command that runs until it is stopped.
type process struct {
	name string
	cmd  *exec.Cmd
	logs *logs
	done chan struct{} // closed when it has ended
}

// start starts a command. It is killed at the end of the test if it still runs.
func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{name: fmt.Sprint(args), cmd: s.command(context.Background(), args...), logs: newLogs(), done: make(chan struct{})}
	p.cmd.Stderr = p.logs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its exit code is looked at where it matters
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("changefeed %s wrote:\n%s", p.name, p.logs)
		}
	})
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// stop asks the process to stop, and wants it to end well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("changefeed %s: %v\n%s", p.name, err, p.logs)
	}
	if code := p.wait(t); code != 0 {
		t.Fatalf("changefeed %s: exit %d after SIGTERM\n%s", p.name, code, p.logs)
	}
}

// wait waits for the process to end by itself and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		t.Fatalf("changefeed %s has not ended\n%s", p.name, p.logs)
		return -1
	}
}

// logs collects what a process writes, and lets a test wait for a text in it.
type logs struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each write
}

func newLogs() *logs { return &logs{changed: make(chan struct{})} }

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// waitFor waits until the process has written text.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		p.logs.mu.Lock()
		found, changed := bytes.Contains(p.logs.text.Bytes(), []byte(text)), p.logs.changed
		p.logs.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-p.done:
			t.Fatalf("changefeed %s ended without %q\n%s", p.name, text, p.logs)
		case <-timeout:
			t.Fatalf("changefeed %s has not written %q\n%s", p.name, text, p.logs)
		}
	}
}
