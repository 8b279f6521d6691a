package demo

import (
	"strings"
	"unicode/utf8"
)

// styles are codes of colours, or nothing.
type styles struct{ strong, faint, good, bad, plain string }

func (s Screen) styles() styles {
	if !s.Color {
		return styles{}
	}
	return styles{strong: "\x1b[1m", faint: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[31m", plain: "\x1b[0m"}
}

// grid is how columns of fields are laid out side by side.
type grid struct {
	shown int // columns that there is room for
	room  int // of the text of one column
	gap   int // between two
}

// The sizes of a grid. Below the least of the room and the gap columns are left
// out, the last ones first: part of a value would say something untrue.
const (
	mostColumns = 3
	leastRoom   = 22
	mostRoom    = 25
	leastGap    = 2
	mostGap     = 4
)

// gridOf returns the grid of lines that have a room, of which the margin on the
// left takes one column.
func gridOf(room int) grid {
	room--
	g := grid{shown: min(max((room+leastGap)/(leastRoom+leastGap), 1), mostColumns)}
	g.gap = leastGap
	g.room = min(max((room+g.gap)/g.shown-g.gap, leastRoom), mostRoom)
	if g.shown > 1 {
		g.gap = min(max((room-g.shown*g.room)/(g.shown-1), leastGap), mostGap)
	}
	return g
}

// field is a line of a column.
type field struct{ name, value, color string }

// column returns a heading and fields, each as wide as the room of the grid.
func (g grid) column(c styles, heading, remark string, fields ...field) []string {
	title := strings.ToUpper(heading)
	lines := []string{c.strong + title + c.plain + c.faint + pad(" "+remark, g.room-utf8.RuneCountInString(title)) + c.plain}
	for _, f := range fields {
		end := ""
		if f.color != "" {
			end = c.plain
		}
		if f.name == "" {
			lines = append(lines, f.color+pad(f.value, g.room)+end)
			continue
		}
		room := max(g.room-utf8.RuneCountInString(f.name), 0)
		value := strings.Repeat(" ", max(room-utf8.RuneCountInString(f.value), 0)) + f.value
		lines = append(lines, c.faint+f.name+c.plain+f.color+value+end)
	}
	return lines
}

// beside puts columns beside each other, the most important one first.
func (g grid) beside(all ...[]string) []string {
	all = all[:min(len(all), g.shown)]
	height := 0
	for _, lines := range all {
		height = max(height, len(lines))
	}
	rows := make([]string, height)
	for i := range rows {
		cells := make([]string, len(all))
		for j, lines := range all {
			cells[j] = strings.Repeat(" ", g.room)
			if i < len(lines) {
				cells[j] = lines[i]
			}
		}
		rows[i] = " " + strings.Join(cells, strings.Repeat(" ", g.gap))
	}
	return rows
}

// fitting returns the first of some texts that has room, or "".
func fitting(room int, texts ...string) string {
	for _, text := range texts {
		if utf8.RuneCountInString(text) <= room {
			return text
		}
	}
	return ""
}

// wrap breaks a text at spaces into lines that have room. A longer word has a
// line of its own.
func wrap(text string, room int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// pad fills a text up to a width, or cuts it and says so.
func pad(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n > width {
		return clip(text, width-1) + clip("…", width)
	}
	return text + strings.Repeat(" ", width-n)
}

// clip cuts a line to a width in columns. Codes of colours take no room.
func clip(line string, width int) string {
	var b strings.Builder
	columns, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case columns >= width:
			continue
		default:
			columns++
		}
		b.WriteRune(r)
	}
	return b.String()
}
