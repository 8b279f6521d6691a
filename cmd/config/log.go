package config

import (
	"errors"
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

func (l *Log) validate() error {
	var faults []error
	if l.Format != "text" && l.Format != "json" {
		faults = append(faults, fmt.Errorf("log.format: %q: want text or json", l.Format))
	}
	if _, err := l.SlogLevel(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
