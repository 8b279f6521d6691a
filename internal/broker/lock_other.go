//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package broker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// tryLock refuses systems on which two brokers could not be kept apart.
func tryLock(*os.File, bool) error {
	return fmt.Errorf("run the embedded broker on %s (use Linux, macOS, or WSL on Windows): %w", runtime.GOOS, errors.ErrUnsupported)
}
