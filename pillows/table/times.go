package table

import (
	"bytes"
	"errors"
)

// The years that PostgreSQL's types reach. Those before Christ end a little into
// the last, and the server refuses what is left of it.
const (
	maxDateYear      = 5874897
	maxTimestampYear = 294276
	maxYearBC        = 4714
)

var (
	errDate        = errors.New(`want a string such as "2026-01-02"`)
	errTimestamp   = errors.New(`want a string such as "2026-01-02T03:04:05.123456", without an offset`)
	errTimestamptz = errors.New(`want a string such as "2026-01-02T03:04:05.123456+00:00", with an offset`)
	errTime        = errors.New(`want a string such as "03:04:05.123456", without an offset`)
)

func convertDate(v value) ([]byte, error) {
	if isInfinity(v) {
		return v.text, nil
	}
	r := newTimeReader(v)
	r.date(maxDateYear)
	return v.text, r.end(errDate)
}

func convertTimestamp(v value) ([]byte, error) {
	if isInfinity(v) {
		return v.text, nil
	}
	r := newTimeReader(v)
	r.date(maxTimestampYear)
	if len(r.rest) > 0 {
		r.one("T ")
		r.clock()
	}
	return v.text, r.end(errTimestamp)
}

func convertTimestamptz(v value) ([]byte, error) {
	if isInfinity(v) {
		return v.text, nil
	}
	r := newTimeReader(v)
	r.date(maxTimestampYear)
	r.one("T ")
	r.clock()
	r.offset()
	return v.text, r.end(errTimestamptz)
}

func convertTime(v value) ([]byte, error) {
	r := newTimeReader(v)
	r.wrong = r.wrong || r.bc
	r.clock()
	return v.text, r.end(errTime)
}

func isInfinity(v value) bool {
	return v.kind == stringValue && (string(v.text) == "infinity" || string(v.text) == "-infinity")
}

// timeReader reads a date or time from left to right. After the first fault it
// reads on without a meaning.
type timeReader struct {
	rest  []byte
	bc    bool
	wrong bool  // not of this form
	err   error // of this form, and no date or time
}

func newTimeReader(v value) timeReader {
	rest, bc := bytes.CutSuffix(v.text, []byte(" BC"))
	return timeReader{rest: rest, bc: bc, wrong: v.kind != stringValue}
}

// end returns the fault: form where the text is not of the wanted form.
func (r *timeReader) end(form error) error {
	if r.wrong || len(r.rest) > 0 {
		return form
	}
	return r.err
}

// number reads at least low and at most high digits.
func (r *timeReader) number(low, high int) int {
	digits := countDigits(r.rest)
	if digits < low || digits > high {
		r.wrong = true
		return 0
	}
	n := 0
	for _, b := range r.rest[:digits] {
		n = n*10 + int(b-'0')
	}
	r.rest = r.rest[digits:]
	return n
}

// at reports whether the next byte is one of these.
func (r *timeReader) at(set string) bool {
	for i := range len(set) {
		if len(r.rest) > 0 && r.rest[0] == set[i] {
			return true
		}
	}
	return false
}

// one reads one of these bytes.
func (r *timeReader) one(set string) {
	if !r.at(set) {
		r.wrong = true
		return
	}
	r.rest = r.rest[1:]
}

func (r *timeReader) refuse(reason string) {
	if r.err == nil {
		r.err = errors.New(reason)
	}
}

func (r *timeReader) date(maxYear int) {
	year := r.number(4, 7)
	r.one("-")
	month := r.number(2, 2)
	r.one("-")
	day := r.number(2, 2)
	if r.bc {
		maxYear = maxYearBC
	}
	if year < 1 || year > maxYear {
		r.refuse("there is no such year in PostgreSQL")
	}
	if r.bc {
		year = 1 - year
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		r.refuse("there is no such day")
	}
}

// daysIn returns the days of a month, 0 being the year before the year 1.
func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// clock reads hours and minutes, seconds and a fraction if they are there. The
// end of a day may be written as 24:00.
func (r *timeReader) clock() {
	hour := r.number(2, 2)
	r.one(":")
	minute := r.number(2, 2)
	second, fraction := 0, 0
	if r.at(":") {
		r.one(":")
		second = r.number(2, 2)
		if r.at(".") {
			r.one(".")
			fraction = r.number(1, 9)
		}
	}
	if minute > 59 || second > 59 || hour > 24 || hour == 24 && minute+second+fraction > 0 {
		r.refuse("there is no such time of day")
	}
}

// offset reads the offset from UTC. PostgreSQL's limit is less than 16 hours.
func (r *timeReader) offset() {
	if r.at("Z") {
		r.one("Z")
		return
	}
	r.one("+-")
	hour := r.number(2, 2)
	minute, second := 0, 0
	if r.at(":") {
		r.one(":")
		minute = r.number(2, 2)
		if r.at(":") {
			r.one(":")
			second = r.number(2, 2)
		}
	}
	if hour > 15 || minute > 59 || second > 59 {
		r.refuse("there is no such offset")
	}
}
