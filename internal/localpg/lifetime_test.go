//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg/localpgtest"
)

func TestServerEndsWithAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	holder, server := startHolder(t, openFolder(t))

	// A busy session ends with the server, and says when.
	conn, err := pgx.Connect(t.Context(), server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	sleeping := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT pg_sleep(3600)")
		sleeping <- err
	}()

	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-sleeping:
		if err == nil {
			t.Error("the session ended without an error")
		}
	case <-time.After(time.Minute):
		t.Fatal("the session goes on")
	}
	expectGone(t, server)
}

func TestServerEndsWithAProcessThatLeavesWithoutStop(t *testing.T) {
	t.Parallel()
	holder, server := startHolder(t, openFolder(t))
	holder.Stdin.(io.Closer).Close()
	expectGone(t, server)
}

func TestSuspendedServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	holder, server := startHolder(t, openFolder(t))
	if err := syscall.Kill(server.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	expectGone(t, server)
}

func TestProcessKilledDuringStartLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := openFolder(t)
	holder := roleCommand(t, os.Args[0], "hold", folder)
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the data directory is being made", func() bool { return len(dataDirectories(folder)) > 0 })
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	eventually(t, "the directory is gone", func() bool { return len(entries(t, folder)) == 0 })
	eventually(t, "its processes are gone", func() bool { return len(processesOf(t, folder)) == 0 })
}

func TestInterruptKeyDoesNotReachTheServer(t *testing.T) {
	server := localpgtest.Shared(t)
	group, err := syscall.Getpgid(server.PID())
	if err != nil {
		t.Fatal(err)
	}
	if group == syscall.Getpgrp() {
		t.Error("the server is in our process group, to which a terminal sends the interrupt")
	}
}

func TestRootsServerRunsAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("we are not root")
	}
	server := localpgtest.Shared(t)
	for _, path := range []string{server.Dir(), server.DataDir()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 {
			t.Errorf("root owns %s", path)
		}
	}
}

func TestOrdinaryUserNeedsNoPrivilege(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("we are an ordinary user, as every other test shows")
	}
	folder := openFolder(t)
	// The test binary is where other users cannot enter.
	binary := filepath.Join(folder, "localpg.test")
	copyProgram(t, os.Args[0], binary)
	cmd := roleCommand(t, binary, "use", folder)
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = folder
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
	if left := entries(t, folder); len(left) != 1 {
		t.Errorf("left behind beside the binary: %v", left)
	}
}

// roleCommand prepares the test binary to play a role, with its servers in a
// folder. It is killed at the end of the test if it is still there. The test is
// skipped where there is no PostgreSQL.
func roleCommand(t *testing.T, binary, role, folder string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "TMPDIR="+folder,
		binariesVariable+"="+localpgtest.Shared(t).BinDir())
	cmd.Stderr = os.Stderr
	return cmd
}

// startHolder starts a process that holds a server, and returns when the server
// is up. Its Stdin can be closed. It is reaped when it has ended.
func startHolder(t *testing.T, folder string) (*exec.Cmd, started) {
	t.Helper()
	holder := roleCommand(t, os.Args[0], "hold", folder)
	in, keep, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keep.Close() })
	holder.Stdin = in
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	var server started
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &server)
	}
	if err != nil {
		t.Fatalf("read what the holder prints: %v", err)
	}
	t.Cleanup(func() { _ = holder.Wait() })
	holder.Stdin = keep // for the caller to close
	return holder, server
}

// expectGone waits until nothing is left of a server.
func expectGone(t *testing.T, server started) {
	t.Helper()
	eventually(t, "the directory is gone", func() bool { return gone(server.Dir) })
	eventually(t, "the postmaster is gone", func() bool {
		return errors.Is(syscall.Kill(server.PID, 0), syscall.ESRCH)
	})
	eventually(t, "its processes are gone", func() bool { return len(processesOf(t, server.Dir)) == 0 })
}

// eventually waits for the outside world, which sends no event.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline:
			t.Errorf("not within a minute: %s", what)
			return
		}
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// dataDirectories lists the data directories, finished or not, of the servers
// in a folder.
func dataDirectories(folder string) []string {
	found, _ := filepath.Glob(filepath.Join(folder, "*", "data", "PG_VERSION"))
	return found
}

// processesOf lists the processes that name a path in their command line or work
// below it. Only Linux tells.
func processesOf(t *testing.T, path string) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, process := range processes {
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		work, _ := os.Readlink(filepath.Join(process, "cwd"))
		if strings.Contains(string(command), path) || strings.HasPrefix(work, path) {
			found = append(found, process)
		}
	}
	return found
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}
