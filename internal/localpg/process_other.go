//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package localpg

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// errPlatform refuses systems without process groups and Unix permissions.
var errPlatform = fmt.Errorf("start a private PostgreSQL on %s (use Linux, macOS, or WSL on Windows): %w", runtime.GOOS, errors.ErrUnsupported)

func newGroup() *syscall.SysProcAttr             { return nil }
func inGroup(int, *account) *syscall.SysProcAttr { return nil }
func asAccount(*account) *syscall.SysProcAttr    { return nil }
func wake(*os.Process)                           {}
func (a *account) canEnter(string) bool          { return false }
func tryLock(*os.File) (locked bool, err error)  { return false, errPlatform }
