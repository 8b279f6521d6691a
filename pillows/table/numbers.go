package table

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// integerConverter returns the conversion to an integer of so many bits.
func integerConverter(bits int) func(value) ([]byte, error) {
	limit := int64(1)<<(bits-1) - 1
	return func(v value) ([]byte, error) {
		if !isInteger(v) {
			return nil, errors.New("want a number without fraction or exponent, or a string that holds one")
		}
		if _, err := strconv.ParseInt(string(v.text), 10, bits); err != nil {
			return nil, fmt.Errorf("it is not between %d and %d", -limit-1, limit)
		}
		return v.text, nil
	}
}

// isInteger reports whether a number, or a string, is digits with or without a
// minus.
func isInteger(v value) bool {
	if v.kind != numberValue && v.kind != stringValue {
		return false
	}
	digits := v.text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	for _, b := range digits {
		if !isDigit(b) {
			return false
		}
	}
	return len(digits) > 0
}

// isCanonicalInteger takes a text that isInteger.
func isCanonicalInteger(text []byte) bool {
	if text[0] == '-' {
		return text[1] != '0'
	}
	return text[0] != '0' || len(text) == 1
}

// PostgreSQL's limits for a numeric without a declared precision.
const (
	maxIntegerDigits  = 131072
	maxFractionDigits = 16383
)

var (
	errNumber      = errors.New(`want a number, a string that holds one, "NaN", "Infinity" or "-Infinity"`)
	errNumericSize = fmt.Errorf("it has more than %d digits before or %d after the point", maxIntegerDigits, maxFractionDigits)
)

func convertNumeric(v value) ([]byte, error) {
	if isNaN(v) || isInfinite(v) {
		return v.text, nil
	}
	d, ok := parseDecimal(v)
	switch {
	case !ok:
		return nil, errNumber
	case d.point > maxIntegerDigits || d.fraction > maxFractionDigits:
		return nil, errNumericSize
	}
	return v.text, nil
}

// numericConverter returns the conversion to numeric(precision,scale).
func numericConverter(precision, scale int) func(value) ([]byte, error) {
	return func(v value) ([]byte, error) {
		text, err := convertNumeric(v)
		if err != nil || isNaN(v) {
			return text, err
		}
		if isInfinite(v) {
			return nil, errors.New("a numeric with a precision holds no infinity")
		}
		if d, _ := parseDecimal(v); d.overflows(precision, scale) {
			return nil, fmt.Errorf("it has more than %d digits before the point", precision-scale)
		}
		return text, nil
	}
}

// floatConverter returns the conversion to a floating-point number of 32 or 64
// bits. The server reads the text again, so no digit is lost here.
func floatConverter(bits int) func(value) ([]byte, error) {
	return func(v value) ([]byte, error) {
		if isNaN(v) || isInfinite(v) {
			return v.text, nil
		}
		d, ok := parseDecimal(v)
		if !ok {
			return nil, errNumber
		}
		f, err := strconv.ParseFloat(string(v.text), bits)
		switch {
		case math.IsInf(f, 0):
			return nil, errors.New("it is too large")
		case f == 0 && len(d.digits) > 0:
			return nil, errors.New("it is too small and would become 0")
		case err != nil:
			return nil, errNumber
		}
		return v.text, nil
	}
}

func isNaN(v value) bool { return v.kind == stringValue && string(v.text) == "NaN" }

func isInfinite(v value) bool {
	return v.kind == stringValue && (string(v.text) == "Infinity" || string(v.text) == "-Infinity")
}

// decimal is a number as it is written, without its sign: 0.DIGITS × 10^point.
type decimal struct {
	digits   []byte // from the first that is not 0, with the point among them; empty for 0
	point    int
	fraction int // digits after the point that the number is written with
}

// maxExponent is far above what any type allows; longer exponents are cut to it.
const maxExponent = 1 << 20

// parseDecimal reads digits, with or without a minus, a fraction and an exponent.
func parseDecimal(v value) (d decimal, ok bool) {
	if v.kind != numberValue && v.kind != stringValue {
		return decimal{}, false
	}
	text := v.text
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	whole := countDigits(text)
	end := whole
	if end < len(text) && text[end] == '.' {
		d.fraction = countDigits(text[end+1:])
		end += 1 + d.fraction
		if d.fraction == 0 {
			return decimal{}, false
		}
	}
	exponent, ok := parseExponent(text[end:])
	if !ok || whole == 0 {
		return decimal{}, false
	}
	zeros := 0 // before the first digit that counts
	digits := text[:end]
	for len(digits) > 0 && (digits[0] == '0' || digits[0] == '.') {
		if digits[0] == '0' {
			zeros++
		}
		digits = digits[1:]
	}
	d.digits = digits
	d.fraction = max(0, d.fraction-exponent)
	if len(digits) > 0 {
		d.point = whole - zeros + exponent
	}
	return d, true
}

func countDigits(text []byte) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

// parseExponent reads what may follow a number's digits: nothing, or an exponent.
func parseExponent(text []byte) (exponent int, ok bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	text = text[1:]
	sign := 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if len(text) == 0 || countDigits(text) != len(text) {
		return 0, false
	}
	for _, b := range text {
		exponent = min(exponent*10+int(b-'0'), maxExponent)
	}
	return sign * exponent, true
}

// overflows reports whether the number, rounded half up to so many digits after
// the point, has too many before it.
func (d decimal) overflows(precision, scale int) bool {
	room := precision - scale
	if d.point != room || len(d.digits) == 0 {
		return d.point > room
	}
	// As long as the type: only a run of nines can be rounded up to more.
	seen := 0
	for _, b := range d.digits {
		switch {
		case b == '.':
			continue
		case seen == precision:
			return b >= '5'
		case b != '9':
			return false
		}
		seen++
	}
	return false
}
