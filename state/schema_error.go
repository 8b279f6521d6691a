package state

import "strings"

// SchemaError says that the schema of a database is not as this program needs
// it, until somebody does something about it.
type SchemaError struct {
	Database string
	Problem  string
	// Remedy says what to do, or what the rest does, in words.
	Remedy string
	// SQL are statements to run in this order, without semicolons at their ends.
	SQL []string
	// Command is a command of changefeed.
	Command string
}

// Error tells the problem with its remedy.
func (e *SchemaError) Error() string {
	text := "database " + e.Database + ": " + e.Problem + ": " + e.Remedy
	if e.Command != "" {
		text += ": run \"" + e.Command + "\""
	}
	if len(e.SQL) > 0 {
		text += ": " + strings.Join(e.SQL, "; ")
	}
	return text
}
