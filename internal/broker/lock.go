package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lockTries and lockPause bound the wait for the lock. A process in [Find] takes
// it too, for less than a pause.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

func lockPath(dir string) string { return filepath.Join(dir, "broker.lock") }

// acquire takes the directory. It is free again when the file is closed, or the
// process has ended.
func acquire(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock directory of the embedded broker: %w", err)
	}
	if err := lockWithin(ctx, f, lockTries); err != nil {
		if errors.Is(err, errHeld) {
			err = explainInUse(dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func lockWithin(ctx context.Context, f *os.File, tries int) error {
	pause := time.NewTicker(lockPause)
	defer pause.Stop()
	for {
		err := tryLock(f, true)
		if tries--; !errors.Is(err, errHeld) || tries == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func explainInUse(dir string) error {
	n, err := readNotice(dir)
	if err != nil {
		return err
	}
	return fmt.Errorf("start embedded broker in %s: %w: process %d, %s on %s: stop it, or let it serve you: changefeed publish and changefeed pillow run find it by themselves",
		dir, ErrInUse, n.PID, n.State, n.Address)
}

// errHeld says that somebody else has the lock.
var errHeld = errors.New("the lock is held")

// isHeld reports whether a broker has the directory.
func isHeld(dir string) (bool, error) {
	f, err := os.Open(lockPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find broker: %w", err)
	}
	defer f.Close()
	// A shared lock: two processes that look do not take each other for a broker.
	err = tryLock(f, false)
	if errors.Is(err, errHeld) {
		return true, nil
	}
	return false, err
}
