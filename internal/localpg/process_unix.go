//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// errPlatform is nil: this system has what a private server needs.
var errPlatform error

// newGroup starts a process as the leader of a new process group, out of reach
// of the terminal's interrupt key.
func newGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// inGroup starts a process in the group of a leader, under the given account and
// with none of our supplementary groups.
func inGroup(leader int, as *account) *syscall.SysProcAttr {
	attr := asAccount(as)
	attr.Setpgid, attr.Pgid = true, leader
	return attr
}

// asAccount starts a process under the given account.
func asAccount(as *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
	return attr
}

// wake lets a suspended process go on.
func wake(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }

// canEnter reports whether the account may pass through a folder and all
// folders above it. Access lists beyond the mode bits are not looked at.
func (a *account) canEnter(folder string) bool {
	if a == nil {
		return true
	}
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() || !a.mayExecute(info) {
			return false
		}
		above := filepath.Dir(folder)
		if above == folder {
			return true
		}
		folder = above
	}
}

func (a *account) mayExecute(info os.FileInfo) bool {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !known:
		return false
	case stat.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case stat.Gid == a.gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}

// tryLock takes the exclusive lock of an open file, for as long as the file is
// open; false says that another process has it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	default:
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
}
