package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// logger passes on what kfake says. Its warnings are about the behaviour of
// clients, which clients report themselves; only what it could not write to the
// disk is a matter of the broker alone.
type logger struct{ log *slog.Logger }

var _ kfake.Logger = logger{}

// Logf implements [kfake.Logger].
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelDebug
	switch {
	case level == kfake.LogLevelError:
		at = slog.LevelError
	case level == kfake.LogLevelWarn && strings.HasPrefix(format, "persist "):
		at = slog.LevelWarn
	}
	ctx := context.Background()
	if l.log.Enabled(ctx, at) {
		l.log.Log(ctx, at, "embedded broker", slog.String("event", fmt.Sprintf(format, args...)))
	}
}
