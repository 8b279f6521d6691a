package changefeed

import "maps"

// TextSettings returns the settings of a PostgreSQL session that decide how it
// writes values as text. A document id is such a text: the publisher's session
// and those of document stores must write the same, whatever the defaults of
// their roles are.
func TextSettings() map[string]string { return maps.Clone(textSettings) }

var textSettings = map[string]string{
	"client_encoding":    "UTF8",
	"DateStyle":          "ISO, YMD",
	"IntervalStyle":      "postgres",
	"TimeZone":           "UTC",
	"extra_float_digits": "1", // the shortest text that gives the same number
	"bytea_output":       "hex",
}
