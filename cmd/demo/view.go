package demo

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"changefeed/pillows"
)

// styles are codes of colours, or nothing.
type styles struct{ strong, faint, good, bad, plain string }

func (s Screen) styles() styles {
	if !s.Color {
		return styles{}
	}
	return styles{strong: "\x1b[1m", faint: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[31m", plain: "\x1b[0m"}
}

// The width of a column of the view, and the room that its text has.
const (
	columnWidth = 29
	columnRoom  = 25
)

// view is the live view, line by line.
func (s *sample) view(c styles, width int) []string {
	lines := []string{
		"",
		c.strong + " changefeed demo" + c.plain + "  " + clock(s.elapsed) +
			c.faint + "   orders ▸ write-ahead log ▸ publisher ▸ topic ▸ pillow ▸ report table" + c.plain,
		"",
	}
	lines = append(lines, columns(
		s.rateColumn(c),
		s.latencyColumn(c),
		column(c, "transactions", "",
			field{"committed", count(s.transactions), ""},
			field{"rolled back", count(s.rolledBack), ""},
			field{"to a savepoint", count(s.savepoints), ""},
		),
	)...)
	lines = append(lines, "", s.sparkline(c, width), "")
	lines = append(lines, columns(
		s.verdictColumn(c),
		s.publisherColumn(c),
		s.slotColumn(c),
	)...)
	lines = append(lines, "")
	lines = append(lines, s.partitions(c, width)...)
	return append(lines, "", c.faint+" Ctrl-C stops the writer, waits for what is open, and compares."+c.plain)
}

func (s *sample) rateColumn(c styles) []string {
	return column(c, "changes", "a second",
		field{"committed", count(whole(s.rates.committed)), ""},
		field{"published", count(whole(s.rates.published)), ""},
		field{"with verdict", count(whole(s.rates.settled)), ""},
	)
}

func (s *sample) latencyColumn(c styles) []string {
	return column(c, "latency", "last 10 s",
		field{"p50", duration(s.latency.quantile(0.5)), ""},
		field{"p99", duration(s.latency.quantile(0.99)), ""},
		field{"longest", duration(s.latency.most), ""},
	)
}

func (s *sample) verdictColumn(c styles) []string {
	parked, strays := "", ""
	if s.account.counts.Parked > 0 {
		parked = c.bad
	}
	if s.account.strays > 0 {
		strays = c.bad
	}
	return column(c, "verdicts", "",
		field{"applied", count(s.account.counts.Applied), ""},
		field{"superseded", count(s.account.counts.Superseded), ""},
		field{"parked", count(s.account.counts.Parked), parked},
		field{"unexpected", count(s.account.strays), strays},
		field{"open", count(s.account.open), ""},
	)
}

func (s *sample) publisherColumn(c styles) []string {
	state := c.good
	if !s.publisher.Streaming {
		state = c.bad
	}
	return column(c, "publisher", "",
		field{"", s.publisher.State, state},
		field{"rows read", count(int64(s.publisher.Rows)), ""},
		field{"published", count(int64(s.publisher.Published)), ""},
		field{"acknowledged", count(int64(s.publisher.Acknowledged)), ""},
	)
}

func (s *sample) slotColumn(c styles) []string {
	state, color := "active", c.good
	if !s.slot.active {
		state, color = "inactive", c.bad
	}
	return column(c, "slot", "",
		field{"", state, color},
		field{"", s.slot.name, ""},
		field{"behind", size(s.slot.behind), ""},
	)
}

// partitions shows the lag of each partition, as many as there is room for.
func (s *sample) partitions(c styles, width int) []string {
	if s.pillow.Waiting != "" {
		return []string{c.strong + " PILLOW" + c.plain + "  " + c.bad + s.pillow.Waiting + c.plain}
	}
	if len(s.pillow.Partitions) == 0 {
		return []string{c.strong + " PILLOW" + c.plain + "  waiting for its partitions"}
	}
	const head, cell = 13, 8
	shown := s.pillow.Partitions[:min(len(s.pillow.Partitions), max((width-head-1)/cell, 1))]
	row := func(name string, value func(*pillows.PartitionStats) string) string {
		var b strings.Builder
		fmt.Fprintf(&b, " %-*s", head-1, name)
		for i := range shown {
			fmt.Fprintf(&b, "%*s", cell, value(&shown[i]))
		}
		return b.String()
	}
	return []string{
		c.strong + row("PARTITION", func(p *pillows.PartitionStats) string { return strconv.Itoa(int(p.Partition)) }) + c.plain,
		row("next offset", func(p *pillows.PartitionStats) string { return known(p.NextOffset) }),
		row("lag", func(p *pillows.PartitionStats) string { return known(p.Lag) }),
	}
}

// sparkline draws the verdicts a second.
func (s *sample) sparkline(c styles, width int) string {
	const legend = " verdicts a second, at most "
	most := 0.0
	for _, v := range s.history {
		most = max(most, v)
	}
	if most == 0 {
		return ""
	}
	room := max(width-len(legend)-10, 1)
	steps := []rune("▁▂▃▄▅▆▇█")
	line := []rune{' '}
	for _, v := range s.history[max(len(s.history)-room, 0):] {
		line = append(line, steps[int(math.Round(v/most*float64(len(steps)-1)))])
	}
	return string(line) + c.faint + legend + count(whole(most)) + c.plain
}

// field is a line of a column.
type field struct{ name, value, color string }

// column returns a heading and fields, each columnRoom wide.
func column(c styles, heading, remark string, fields ...field) []string {
	title := strings.ToUpper(heading)
	lines := []string{c.strong + title + c.plain + c.faint + pad(" "+remark, columnRoom-utf8.RuneCountInString(title)) + c.plain}
	for _, f := range fields {
		if f.name == "" {
			lines = append(lines, f.color+pad(f.value, columnRoom)+endOf(c, f.color))
			continue
		}
		room := max(columnRoom-utf8.RuneCountInString(f.name), 0)
		value := strings.Repeat(" ", max(room-utf8.RuneCountInString(f.value), 0)) + f.value
		lines = append(lines, c.faint+f.name+c.plain+f.color+value+endOf(c, f.color))
	}
	return lines
}

func endOf(c styles, color string) string {
	if color == "" {
		return ""
	}
	return c.plain
}

// columns puts columns beside each other.
func columns(all ...[]string) []string {
	height := 0
	for _, lines := range all {
		height = max(height, len(lines))
	}
	rows := make([]string, height)
	for i := range rows {
		var b strings.Builder
		b.WriteByte(' ')
		for _, lines := range all {
			text := strings.Repeat(" ", columnRoom)
			if i < len(lines) {
				text = lines[i]
			}
			b.WriteString(text + strings.Repeat(" ", columnWidth-columnRoom))
		}
		rows[i] = b.String()
	}
	return rows
}

// line is what is printed once a second where nothing can be drawn over.
func (s *sample) line() string {
	of := ""
	if s.wanted > 0 {
		of = " of " + count(s.wanted)
	}
	return fmt.Sprintf("%s  %s%s changes committed, %s a second; %s open; p50 %s, p99 %s",
		clock(s.elapsed), count(s.changes), of, count(whole(s.rates.settled)), count(s.account.open),
		duration(s.latency.quantile(0.5)), duration(s.latency.quantile(0.99)))
}

// bar is the progress of a demo of a given number of changes.
func (s *sample) bar(width int) string {
	done := s.account.counts.Total()
	text := fmt.Sprintf(" %s/%s  %s/s  p99 %s  %s", count(done), count(s.wanted), count(whole(s.rates.settled)),
		duration(s.latency.quantile(0.99)), s.left(done))
	room := min(width-utf8.RuneCountInString(text)-3, 40)
	if room < 5 {
		return text
	}
	full := int(float64(room) * min(float64(done)/float64(max(s.wanted, 1)), 1))
	return " [" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]" + text
}

// left is the time until the end, as far as can be told.
func (s *sample) left(done int64) string {
	if s.rates.settled < 1 || done >= s.wanted {
		return ""
	}
	return clock(time.Duration(float64(s.wanted-done)/s.rates.settled*float64(time.Second))) + " left"
}

func whole(rate float64) int64 { return int64(math.Round(rate)) }

func known(n int64) string {
	if n < 0 {
		return "?"
	}
	return count(n)
}

// clock writes a time as minutes and seconds.
func clock(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
}

// size writes bytes in the unit that suits them.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

// pad fills a text up to a width, or cuts it.
func pad(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n > width {
		return clip(text, width)
	}
	return text + strings.Repeat(" ", width-n)
}
