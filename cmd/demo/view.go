package demo

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"changefeed/pillows"
)

// view is the live view, line by line, none longer than room. It is as high in a
// narrow terminal as in a wide one.
func (s *sample) view(c styles, room int) []string {
	g := gridOf(room)
	lines := []string{"", s.title(c, room), ""}
	lines = append(lines, g.beside(s.rateColumn(c, g), s.latencyColumn(c, g), s.transactionColumn(c, g))...)
	lines = append(lines, "", s.sparkline(c, room), "")
	lines = append(lines, g.beside(s.verdictColumn(c, g), s.publisherColumn(c, g), s.slotColumn(c, g))...)
	lines = append(lines, "")
	lines = append(lines, s.partitions(c, room)...)
	hint := fitting(room,
		" Ctrl-C stops the writer, waits for what is open, and compares.",
		" Ctrl-C stops the writer and compares.")
	// What the terminal and the command write at Ctrl-C comes below the last line.
	return append(lines, "", c.faint+hint+c.plain, "")
}

// title names the path of a change, by its main stations where there is no room
// for all.
func (s *sample) title(c styles, room int) string {
	const name = " changefeed demo"
	at := "  " + clock(s.elapsed)
	return c.strong + name + c.plain + at + c.faint + fitting(room-len(name)-len(at),
		"   orders ▸ write-ahead log ▸ publisher ▸ topic ▸ pillow ▸ report table",
		"   orders ▸ publisher ▸ topic ▸ pillow ▸ report table",
		"   orders ▸ topic ▸ report table") + c.plain
}

func (s *sample) rateColumn(c styles, g grid) []string {
	return g.column(c, "changes", "a second",
		field{"committed", count(whole(s.rates.committed)), ""},
		field{"published", count(whole(s.rates.published)), ""},
		field{"with verdict", count(whole(s.rates.settled)), ""},
	)
}

func (s *sample) latencyColumn(c styles, g grid) []string {
	return g.column(c, "latency", "last 10 s",
		field{"p50", s.latency.text(0.5), ""},
		field{"p99", s.latency.text(0.99), ""},
		field{"longest", s.latency.text(1), ""},
	)
}

func (s *sample) transactionColumn(c styles, g grid) []string {
	return g.column(c, "transactions", "",
		field{"committed", count(s.transactions), ""},
		field{"rolled back", count(s.rolledBack), ""},
		field{"to a savepoint", count(s.savepoints), ""},
	)
}

func (s *sample) verdictColumn(c styles, g grid) []string {
	parked, strays := "", ""
	if s.account.counts.Parked > 0 {
		parked = c.bad
	}
	if s.account.strays > 0 {
		strays = c.bad
	}
	return g.column(c, "verdicts", "",
		field{"applied", count(s.account.counts.Applied), ""},
		field{"superseded", count(s.account.counts.Superseded), ""},
		field{"parked", count(s.account.counts.Parked), parked},
		field{"unexpected", count(s.account.strays), strays},
		field{"open", count(s.account.open), ""},
	)
}

func (s *sample) publisherColumn(c styles, g grid) []string {
	state := c.good
	if !s.publisher.Streaming {
		state = c.bad
	}
	return g.column(c, "publisher", "",
		field{"", s.publisher.State, state},
		field{"rows read", count(int64(s.publisher.Rows)), ""},
		field{"published", count(int64(s.publisher.Published)), ""},
		field{"acknowledged", count(int64(s.publisher.Acknowledged)), ""},
	)
}

func (s *sample) slotColumn(c styles, g grid) []string {
	state, color := "active", c.good
	if !s.slot.active {
		state, color = "inactive", c.bad
	}
	return g.column(c, "slot", "",
		field{"", state, color},
		field{"", s.slot.name, ""},
		field{"behind", size(s.slot.behind), ""},
	)
}

// partitions shows the lag of each partition, of as many as there is room for,
// or why there is nothing to show. It is three lines.
func (s *sample) partitions(c styles, room int) []string {
	if s.pillow.Waiting != "" {
		return note(c, "PILLOW", s.pillow.Waiting, c.bad, room)
	}
	if len(s.pillow.Partitions) == 0 {
		return note(c, "PILLOW", "waiting for its partitions", "", room)
	}
	const head = 13
	cell := 8
	for i := range s.pillow.Partitions {
		p := &s.pillow.Partitions[i]
		cell = max(cell, len(known(p.NextOffset))+1, len(known(p.Lag))+1)
	}
	shown, more := s.pillow.Partitions, ""
	if fit := max((room-head)/cell, 1); fit < len(shown) {
		shown = shown[:max(fit-1, 1)]
		more = fmt.Sprintf("%*s", cell, fmt.Sprintf("+%d", len(s.pillow.Partitions)-len(shown)))
	}
	row := func(name string, value func(*pillows.PartitionStats) string) string {
		var b strings.Builder
		fmt.Fprintf(&b, " %-*s", head-1, name)
		for i := range shown {
			fmt.Fprintf(&b, "%*s", cell, value(&shown[i]))
		}
		return b.String()
	}
	return []string{
		c.strong + row("PARTITION", func(p *pillows.PartitionStats) string { return strconv.Itoa(int(p.Partition)) }) + more + c.plain,
		row("next offset", func(p *pillows.PartitionStats) string { return known(p.NextOffset) }),
		row("lag", func(p *pillows.PartitionStats) string { return known(p.Lag) }),
	}
}

// note is a text beside its title, in three lines.
func note(c styles, title, text, color string, room int) []string {
	room = max(room-len(title)-3, 1)
	lines := wrap(text, room)
	if len(lines) > 3 {
		lines = append(lines[:2], pad(strings.Join(lines[2:], " "), room))
	}
	for i, line := range lines {
		beside := strings.Repeat(" ", len(title))
		if i == 0 {
			beside = c.strong + title + c.plain
		}
		lines[i] = " " + beside + "  " + color + line + c.plain
	}
	return append(lines, "", "")[:3]
}

// sparkline draws the verdicts a second.
func (s *sample) sparkline(c styles, room int) string {
	const legend = " verdicts a second, at most "
	most := 0.0
	for _, v := range s.history {
		most = max(most, v)
	}
	if most == 0 {
		return ""
	}
	room = max(room-len(legend)-9, 1)
	steps := []rune("▁▂▃▄▅▆▇█")
	line := []rune{' '}
	for _, v := range s.history[max(len(s.history)-room, 0):] {
		line = append(line, steps[int(math.Round(v/most*float64(len(steps)-1)))])
	}
	return string(line) + c.faint + legend + count(whole(most)) + c.plain
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
