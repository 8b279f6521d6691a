package cdc_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"changefeed"
)

// changes tells what was published since it told last.
func (p *player) changes() (lines []string) {
	p.Helper()
	all := p.sinks.changes()
	for i := range all[p.seen:] {
		lines = append(lines, p.change(&all[p.seen+i]))
	}
	p.seen = len(all)
	return lines
}

// change tells a change: the number of its transaction, its ordinal, and the
// fields that are not null. What differs from run to run is compared with what it
// must be instead.
func (p *player) change(c *changefeed.Change) string {
	p.Helper()
	of, known := p.commits[c.Position.LSN]
	if !known {
		of = commitOf{number: len(p.commits) + 1, xid: c.XID}
		p.commits[c.Position.LSN] = of
	}
	m := &c.Meta
	version, err := changefeed.LogVersion(1, c.Position.LSN)
	if err != nil || c.Version != version || c.Position.Source != "main" || c.Position.Epoch != 1 {
		p.Errorf("change %+v: version %d, %v wanted", c, version, err)
	}
	if c.XID == 0 || c.XID != of.xid {
		p.Errorf("change %+v: transaction id %d wanted", c, of.xid)
	}
	if m.PublishTimestamp.IsZero() || m.Attempts != 0 {
		p.Errorf("change %+v: not a new one", c)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "#%d/%d %s: %s from %s", of.number, c.Position.Ordinal, c.Topic, abridged(m.DocumentID), m.DataSourceName)
	for _, field := range []struct {
		name  string
		value changefeed.Text
	}{{"domain", m.Domain}, {"type", m.DocumentType}, {"subtype", m.DocumentSubtype}} {
		if field.value.Valid {
			line.WriteString(", " + field.name + " " + abridged(field.value.String))
		}
	}
	if m.DataSourceType != changefeed.SourceTypeSQL {
		line.WriteString(", source type " + m.DataSourceType)
	}
	if m.IsDeletion {
		line.WriteString(", deleted")
	}
	return line.String()
}

// abridged keeps a text on its line and apart from what is beside it.
func abridged(text string) string {
	switch {
	case len(text) > 200:
		return fmt.Sprintf("%s… (%d bytes)", text[:10], len(text))
	case text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || !strconv.IsPrint(r) }):
		return strconv.Quote(text)
	default:
		return text
	}
}

// ordinary are the counters that are not told: changes say it, or they differ from
// run to run.
var ordinary = []string{"Sessions", "Transactions", "Published", "Acknowledged", "ReceivedLSN", "FlushedLSN"}

// counted tells which counters have moved: that of rows only where there are not as
// many changes.
func (p *player) counted(changes int) (lines []string) {
	if p.publisher == nil {
		return nil
	}
	before := reflect.ValueOf(p.stats)
	p.stats = p.publisher.Stats()
	now := reflect.ValueOf(p.stats)
	for i := range now.NumField() {
		name := now.Type().Field(i).Name
		if now.Field(i).Kind() != reflect.Uint64 || slices.Contains(ordinary, name) {
			continue
		}
		n := now.Field(i).Uint() - before.Field(i).Uint()
		if n != 0 && (name != "Rows" || n != uint64(changes)) {
			lines = append(lines, fmt.Sprintf("counted: %s %d", name, n))
		}
	}
	return lines
}

// warned tells what was logged since it told last.
func (p *player) warned() (lines []string) {
	p.said.mu.Lock()
	defer p.said.mu.Unlock()
	lines = slices.Clone(p.said.lines[p.told:])
	p.told = len(p.said.lines)
	return lines
}

// warnings is a log of warnings and what is worse.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

// Enabled implements slog.Handler.
func (w *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString("logged: " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "lsn" {
			fmt.Fprintf(&line, "; %s %v", a.Key, a.Value.Any())
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line.String())
	return nil
}

// WithAttrs implements slog.Handler. The source is the same everywhere.
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements slog.Handler.
func (w *warnings) WithGroup(string) slog.Handler { return w }
