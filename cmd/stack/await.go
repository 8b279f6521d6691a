package stack

import (
	"context"
	"fmt"
	"time"
)

const (
	tryPause = 500 * time.Millisecond
	sayAfter = 3 * time.Second // that something is waited for
)

// await tries until it works, or an error shows that waiting does not help, for
// up to the startup timeout. It says so when it takes long.
func (s *Stack) await(ctx context.Context, what string, try func(context.Context) error, passes func(error) bool) error {
	begun := time.Now()
	deadline := begun.Add(s.Config.Startup())
	said := false
	for {
		err := try(ctx)
		switch {
		case err == nil, ctx.Err() != nil, !passes(err):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%s cannot be reached within startup_timeout (%s): %w", what, s.Config.Startup(), err)
		case !said && time.Since(begun) > sayAfter:
			said = true
			s.Log.Warn("waiting at the start", "for", what, "error", err, "timeout", s.Config.Startup())
		}
		select {
		case <-time.After(tryPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
