package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// line is what is printed once a second where nothing can be drawn over.
func (s *sample) line() string {
	of := ""
	if s.wanted > 0 {
		of = " of " + count(s.wanted)
	}
	latency := ""
	if s.latency.total > 0 {
		latency = "; p50 " + s.latency.text(0.5) + ", p99 " + s.latency.text(0.99)
	}
	return fmt.Sprintf("%s  %s%s changes committed, %s a second; %s open%s",
		clock(s.elapsed), count(s.changes), of, count(whole(s.rates.settled)), count(s.account.open), latency)
}

// The columns between the brackets of the bar. Below the least, words beside it
// are left out.
const (
	leastBar = 8
	mostBar  = 40
)

// bar is the progress of a demo of a given number of changes.
func (s *sample) bar(room int) string {
	done := s.account.counts.Total()
	said := count(done) + "/" + count(s.wanted)
	rate, p99, left := count(whole(s.rates.settled))+"/s", "p99 "+s.latency.text(0.99), s.left(done)
	texts := []string{words(said, rate, p99, left), words(said, rate, left), words(said, left), words(said)}
	for _, text := range texts {
		size := min(room-utf8.RuneCountInString(text)-len(" []"), mostBar)
		if size < leastBar {
			continue
		}
		full := int(float64(size) * min(float64(done)/float64(max(s.wanted, 1)), 1))
		return " [" + strings.Repeat("=", full) + strings.Repeat(" ", size-full) + "]" + text
	}
	return fitting(room, texts...)
}

// words puts texts behind each other, those that are not empty.
func words(texts ...string) string {
	said := ""
	for i, text := range texts {
		switch {
		case i == 0:
			said = " " + text
		case text != "":
			said += "  " + text
		}
	}
	return said
}

// left is the time until the end, as far as can be told.
func (s *sample) left(done int64) string {
	if s.rates.settled < 1 || done >= s.wanted {
		return ""
	}
	return clock(time.Duration(float64(s.wanted-done)/s.rates.settled*float64(time.Second))) + " left"
}
