package changefeed

// Text is a string or null. The zero Text is null.
type Text struct {
	String string
	Valid  bool // false means null; String is then empty
}

// NewText returns a Text that is the string s, which may be empty.
func NewText(s string) Text { return Text{String: s, Valid: true} }

// Or returns the string, or other where the Text is null.
func (t Text) Or(other string) string {
	if t.Valid {
		return t.String
	}
	return other
}
