package cdc

import (
	"errors"
	"fmt"
	"strconv"

	"changefeed"
)

// Value is how a field of a change is made: a constant, or a column, or a column
// whose text is looked up. The zero Value is null.
type Value struct {
	// Constant is the value of every row, where Column is empty.
	Constant changefeed.Text
	// Column gives the row's text.
	Column string
	// Values maps the column's text. Nil: the text itself is the value.
	Values map[string]string
	// Default is for texts that Values does not have, and for null.
	Default changefeed.Text
}

// IsZero reports whether the value is null for every row.
func (v *Value) IsZero() bool { return v.Column == "" && !v.Constant.Valid }

// Of returns the value for a column's text, which is ignored by a constant.
func (v *Value) Of(column changefeed.Text) changefeed.Text {
	switch {
	case v.Column == "":
		return v.Constant
	case !column.Valid:
		return v.Default
	case v.Values == nil:
		return column
	}
	if mapped, ok := v.Values[column.String]; ok {
		return changefeed.NewText(mapped)
	}
	return v.Default
}

// Condition tells soft-deleted rows by one column. The zero Condition holds for
// no row. Exactly one of Is, NotNull, Null and Bit is set with a Column.
type Condition struct {
	Column  string
	NotNull bool            // is: not null
	Null    bool            // is: null
	Is      changefeed.Text // is: a text; true and t, false and f are the same
	Bit     int64           // bit: all of these bits are set in the integer column
}

func (c *Condition) validate() error {
	if c.Column == "" {
		if *c != (Condition{}) {
			return errors.New("no column")
		}
		return nil
	}
	rules := 0
	for _, set := range []bool{c.NotNull, c.Null, c.Is.Valid, c.Bit != 0} {
		if set {
			rules++
		}
	}
	if rules != 1 {
		return errors.New(`want one rule: is: not null, is: null, is: "text", or bit: number`)
	}
	return nil
}

// Holds reports whether the row with this text in the column is deleted. A text
// that is no integer where bits are asked for is an error.
func (c *Condition) Holds(column changefeed.Text) (bool, error) {
	switch {
	case c.Column == "":
		return false, nil
	case c.NotNull:
		return column.Valid, nil
	case c.Null:
		return !column.Valid, nil
	case !column.Valid:
		return false, nil
	case c.Bit != 0:
		n, err := strconv.ParseInt(column.String, 10, 64)
		if err != nil {
			return false, fmt.Errorf("column %s: bit: %.40q is no integer", c.Column, column.String)
		}
		return n&c.Bit == c.Bit, nil
	default:
		return column.String == c.Is.String || sameBool(column.String, c.Is.String), nil
	}
}

// sameBool compares a boolean as PostgreSQL prints it with one as people write it.
func sameBool(printed, written string) bool {
	return printed == "t" && written == "true" || printed == "f" && written == "false"
}
