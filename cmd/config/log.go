package config

import (
	"fmt"
	"log/slog"
)

// SlogLevel returns the level.
func (l *Log) SlogLevel() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return level, fmt.Errorf("log.level: %q: want debug, info, warn or error", l.Level)
	}
	return level, nil
}
