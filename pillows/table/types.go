package table

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// columnType is a column's type.
type columnType struct {
	// name is the one under which the catalogue shows the type, typmod included.
	name string
	// convert returns the text that PostgreSQL reads as the value, or says why
	// there is none. The text may be part of the value.
	convert func(value) ([]byte, error)
	// canonical reports whether a text that converts is written as PostgreSQL
	// writes it; nil for types that a document's id cannot have.
	canonical func(text []byte) bool
}

const (
	knownTypes = "text, boolean, smallint, integer, bigint, numeric, numeric(precision,scale), real, double precision, date, timestamp, timestamptz, time, uuid, jsonb"
	keyTypes   = "text, smallint, integer, bigint, uuid"
)

// plainTypes are the types without parameters.
var plainTypes = map[string]columnType{
	"text":                        {convert: convertText, canonical: func([]byte) bool { return true }},
	"boolean":                     {convert: convertBoolean},
	"smallint":                    {convert: integerConverter(16), canonical: isCanonicalInteger},
	"integer":                     {convert: integerConverter(32), canonical: isCanonicalInteger},
	"bigint":                      {convert: integerConverter(64), canonical: isCanonicalInteger},
	"numeric":                     {convert: convertNumeric},
	"real":                        {convert: floatConverter(32)},
	"double precision":            {convert: floatConverter(64)},
	"date":                        {convert: convertDate},
	"timestamp without time zone": {convert: convertTimestamp},
	"timestamp with time zone":    {convert: convertTimestamptz},
	"time without time zone":      {convert: convertTime},
	"uuid":                        {convert: convertUUID, canonical: isCanonicalUUID},
	"jsonb":                       {convert: convertJSONB},
}

// typeAliases are the other names that PostgreSQL has for them.
var typeAliases = map[string]string{
	"bool": "boolean", "int2": "smallint", "int": "integer", "int4": "integer", "int8": "bigint",
	"decimal": "numeric", "dec": "numeric", "float4": "real", "float8": "double precision", "float": "double precision",
	"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "time": "time without time zone",
}

var numericType = regexp.MustCompile(`^(?:numeric|decimal|dec) ?\( ?([0-9]{1,4}) ?(?:, ?([0-9]{1,4}) ?)?\)$`)

// maxPrecision is PostgreSQL's limit for a declared precision.
const maxPrecision = 1000

// parseType reads a type as SQL writes it.
func parseType(text string) (columnType, error) {
	name := strings.Join(strings.Fields(strings.ToLower(text)), " ")
	if m := numericType.FindStringSubmatch(name); m != nil {
		precision, _ := strconv.Atoi(m[1])
		scale, _ := strconv.Atoi(m[2]) // none: 0
		if precision < 1 || precision > maxPrecision || scale > precision {
			return columnType{}, fmt.Errorf("type %q: the precision must be 1 to %d, and the scale not above it", text, maxPrecision)
		}
		return columnType{
			name:    fmt.Sprintf("numeric(%d,%d)", precision, scale),
			convert: numericConverter(precision, scale),
		}, nil
	}
	if full, ok := typeAliases[name]; ok {
		name = full
	}
	t, ok := plainTypes[name]
	if !ok {
		return columnType{}, fmt.Errorf("type %q is not known: use one of %s", text, knownTypes)
	}
	t.name = name
	return t, nil
}
