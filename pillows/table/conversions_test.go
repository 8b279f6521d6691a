package table_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"changefeed/pillows"
	"changefeed/pillows/table"
)

// conversion lists JSON values that a column of a type takes and that it refuses.
// stricter are refused although PostgreSQL's own cast would take them.
type conversion struct {
	accepted, refused, stricter []string
}

var conversions = map[string]conversion{
	"text": {
		accepted: []string{
			`""`, `"abc"`, `"tab\t quote\" backslash\\ newline\n"`, `"\\N"`, `"\u00e9 \ud83d\ude00"`, `"日本語"`, `"{}"`, `"NULL"`, `" x "`,
			`7`, `1.50`, `-0.001`, `12345678901234567890`, `true`, `false`,
		},
		refused: []string{`"a\u0000b"`, `"\ud83d"`, `"\ude00x"`, `"\ud83d\u0041"`},
	},
	"boolean": {
		accepted: []string{`true`, `false`, `"true"`, `"false"`},
		refused:  []string{`"yes please"`, `""`, `{}`, `[]`, `[true]`, `2`},
		stricter: []string{`"t"`, `"yes"`, `1`, `0`, `"TRUE"`, `" true"`},
	},
	"smallint": {
		accepted: []string{`0`, `7`, `-7`, `32767`, `-32768`, `"7"`, `"-32768"`, `"007"`, `-0`},
		refused:  []string{`32768`, `-32769`, `1.5`, `1.0`, `"x"`, `""`, `"-"`, `true`, `{}`, `"1 2"`, `"1e3"`, `"NaN"`},
		stricter: []string{`1e3`, `"+7"`, `" 7"`},
	},
	"integer": {
		accepted: []string{`2147483647`, `-2147483648`, `"12"`},
		refused:  []string{`2147483648`, `-2147483649`, `99999999999999999999999`},
	},
	"bigint": {
		accepted: []string{`9223372036854775807`, `-9223372036854775808`, `"12"`, `"000000000000000000000000012"`},
		refused:  []string{`9223372036854775808`, `-9223372036854775809`},
	},
	"numeric": {
		accepted: []string{
			`0`, `12.50`, `-12.50`, `0.00000000000000000000000000000001`, `123456789012345678901234567890.123456789`, `1e10`, `1E-5`, `1.5e+3`,
			`"12.50"`, `"00012.50"`, `"1e5"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `1e1000`, `1e-1000`, `0e5`, `1e131071`, `1e-16383`, `-0.0`,
			strings.Repeat("9", 2000),
		},
		refused:  []string{`"x"`, `""`, `"1.2.3"`, `"1e"`, `"-"`, `"1,5"`, `true`, `{}`, `[1]`, `1e131072`, `1e-16384`, `1e999999999999999999999`, `"0x"`},
		stricter: []string{`" 1"`, `"+1"`, `".5"`, `"1."`, `"nan"`, `"inf"`, `"infinity"`},
	},
	"numeric(5,2)": {
		accepted: []string{
			`0`, `999.99`, `-999.99`, `999.994`, `999.9949999`, `1e2`, `99999e-2`, `0.001`, `0.005`, `0.009999`, `"999.99"`, `"000999.99"`, `"NaN"`,
			`1e-10`, `0e10`, `0.000`,
		},
		refused: []string{`1000`, `-1000`, `999.995`, `999.9951`, `99999e-1`, `99999.5e-2`, `1e3`, `"Infinity"`, `"-Infinity"`, `"x"`},
	},
	"numeric(2,2)": {
		accepted: []string{`0.99`, `0.994`, `-0.5`, `0`},
		refused:  []string{`0.995`, `1`, `0.999`, `9.9e-1e`},
	},
	"numeric(3)": {
		accepted: []string{`999`, `999.4`, `0.4`, `-12`},
		refused:  []string{`999.5`, `1000`},
	},
	"real": {
		accepted: []string{`0`, `1.5`, `-1.5`, `3.4028234e38`, `1e-40`, `0.1`, `"1.5"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `16777217`, `0e-999`},
		refused:  []string{`1e39`, `-1e39`, `1e-46`, `"x"`, `true`, `{}`, `""`},
		stricter: []string{`"nan"`, `" 1"`, `"+1"`, `".5"`},
	},
	"double precision": {
		accepted: []string{`0`, `1.5`, `0.1`, `1.7976931348623157e308`, `1e-308`, `5e-324`, `9007199254740993`, `"1.5"`, `"NaN"`, `"Infinity"`, `"-Infinity"`},
		refused:  []string{`1e309`, `1e-400`, `"x"`, `true`, `[]`},
		stricter: []string{`"infinity"`, `"1."`},
	},
	"date": {
		accepted: []string{
			`"2026-01-02"`, `"2024-02-29"`, `"2000-02-29"`, `"0001-01-01"`, `"9999-12-31"`, `"12026-01-02"`, `"5874897-12-31"`, `"infinity"`, `"-infinity"`,
			`"0044-03-15 BC"`, `"4713-01-01 BC"`, `"0001-02-29 BC"`, `"0005-02-29 BC"`,
		},
		refused:  []string{`"2026-13-01"`, `"2026-02-29"`, `"1900-02-29"`, `"2026-04-31"`, `"0000-01-01"`, `"5874898-01-01"`, `"4715-01-01 BC"`, `"0004-02-29 BC"`, `""`, `"x"`, `2026`, `true`, `{}`, `"2026-00-01"`, `"2026-01-00"`},
		stricter: []string{`"2026-1-2"`, `"20260102"`, `"Jan 2, 2026"`, `"2026-01-02T03:04:05"`, `"today"`, `" 2026-01-02"`, `20260102`, `"2026-01-02 AD"`},
	},
	"timestamp": {
		accepted: []string{
			`"2026-01-02T03:04:05.123456"`, `"2026-01-02T03:04:05"`, `"2026-01-02 03:04:05.1"`, `"2026-01-02"`, `"2026-01-02T03:04"`, `"2026-01-02T24:00:00"`,
			`"2026-01-02T03:04:05.123456789"`, `"infinity"`, `"-infinity"`, `"12026-01-02T03:04:05"`, `"294276-12-31T23:59:59.999999"`,
			`"0044-03-15T00:00:00 BC"`, `"0044-03-15 03:04:05.5 BC"`,
		},
		refused:  []string{`"2026-01-02T25:00:00"`, `"2026-01-02T24:00:01"`, `"2026-01-02T23:60:00"`, `"2026-02-30T00:00:00"`, `"294277-01-01T00:00:00"`, `""`, `5`, `"2026-01-02T"`},
		stricter: []string{`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05+02:00"`, `"now"`, `"2026-01-02T3:04:05"`, `"2026-01-02T23:59:60"`, `"2026-01-02T030405"`},
	},
	"timestamptz": {
		accepted: []string{
			`"2026-01-02T03:04:05.123456+00:00"`, `"2026-01-02T03:04:05Z"`, `"2026-01-02 03:04:05-08"`, `"2026-01-02T03:04:05+05:30"`, `"1900-01-01T00:00:00+00:19:32"`,
			`"2026-01-02T03:04:05-15:59"`, `"infinity"`, `"-infinity"`, `"0044-03-15T00:00:00+00:00 BC"`, `"12026-01-02T03:04:05+00:00"`, `"2026-01-02T03:04Z"`,
		},
		refused:  []string{`"2026-01-02T25:00:00Z"`, `"2026-01-02T03:04:05+16:00"`, `"2026-01-02T03:04:05+00:60"`, `""`, `true`},
		stricter: []string{`"2026-01-02T03:04:05"`, `"2026-01-02"`, `"2026-01-02T03:04:05 Europe/Berlin"`, `"2026-01-02T03:04:05+0100"`, `"2026-01-02T03:04:05 UTC"`},
	},
	"time": {
		accepted: []string{`"03:04:05.123456"`, `"03:04:05"`, `"03:04"`, `"24:00:00"`, `"00:00:00"`, `"23:59:59.999999"`},
		refused:  []string{`"25:00"`, `"24:00:01"`, `"03:60"`, `"x"`, `3`, `""`},
		stricter: []string{`"03:04:05Z"`, `"03:04:05 BC"`, `"3:04"`, `"03:04 PM"`, `"23:59:60"`},
	},
	"uuid": {
		accepted: []string{`"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, `"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"`},
		refused:  []string{`"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"`, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g"`, `"a0eebc99a9c0b-4ef8-bb6d-6bb9bd380a11"`, `7`, `""`},
		stricter: []string{`"a0eebc999c0b4ef8bb6d6bb9bd380a11"`, `"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"`},
	},
	"jsonb": {
		accepted: []string{`{"a": [1, 2, {"b": null}], "c": "x\n\u00e9"}`, `[]`, `{}`, `"x"`, `7`, `1.50`, `true`, `false`, `"\ud83d\ude00"`, `{"a": 1, "a": 2}`},
		refused:  []string{`"a\u0000"`, `{"\u0000": 1}`, `["\ud83d"]`, `{"a": 1e999999}`, `"\udc00"`},
	},
}

// bodies makes a document of each value, as member x.
func bodies(values []string) []pillows.Item {
	var items []pillows.Item
	for i, v := range values {
		items = append(items, save(fmt.Sprintf("doc-%06d", i), 1, `{"x": `+v+`}`))
	}
	return items
}

func TestConversionsGiveWhatPostgreSQLGives(t *testing.T) {
	pool := newPool(t)
	for i, kind := range slices.Sorted(maps.Keys(conversions)) {
		t.Run(kind, func(t *testing.T) {
			cfg := report(table.Column{Name: "v", Path: "x", Type: kind})
			cfg.Name = fmt.Sprintf("report_%d", i)
			p := newProcessor(t, pool, cfg)
			accepted := conversions[kind].accepted
			for i, err := range failingOf(t, p, bodies(accepted)) {
				t.Errorf("%s is refused: %v", accepted[i], err)
			}
			for _, difference := range query(t, pool, `
				SELECT format('%s: got %s, PostgreSQL says %s', raw, v, wanted) FROM (
					SELECT raw, v, `+cast(kind)+` AS wanted
					FROM `+cfg.Name+` JOIN unnest($1::text[]) WITH ORDINALITY AS u (raw, n) ON id = 'doc-' || lpad((n - 1)::text, 6, '0')
				) AS compared WHERE v IS DISTINCT FROM wanted OR v::text IS DISTINCT FROM wanted::text`, accepted) {
				t.Error(difference)
			}
			if n := query(t, pool, `SELECT count(*) FROM `+cfg.Name+` WHERE v IS NOT NULL`); n[0] != fmt.Sprint(len(accepted)) {
				t.Errorf("%s rows, want %d", n[0], len(accepted))
			}
		})
	}
}

// cast is PostgreSQL's own conversion of the JSON value in raw.
func cast(kind string) string {
	if kind == "jsonb" {
		return "raw::jsonb"
	}
	return "(('{\"x\": ' || raw || '}')::jsonb ->> 'x')::" + kind
}

func failingOf(t *testing.T, p *table.Processor, items []pillows.Item) map[int]error {
	t.Helper()
	failed, err := itemErrors(p.Process(t.Context(), pillows.NewBatch(items)))
	if err != nil {
		t.Fatal(err)
	}
	return failed
}

func TestConversionsRefuseWhatPostgreSQLRefuses(t *testing.T) {
	pool := newPool(t)
	for i, kind := range slices.Sorted(maps.Keys(conversions)) {
		t.Run(kind, func(t *testing.T) {
			cfg := report(table.Column{Name: "v", Path: "x", Type: kind})
			cfg.Name = fmt.Sprintf("report_%d", i)
			p := newProcessor(t, pool, cfg)
			c := conversions[kind]
			for _, raw := range c.refused {
				if _, err := pool.Exec(t.Context(), "SELECT "+cast(kind)+" FROM (SELECT $1::text AS raw) AS r", raw); err == nil {
					t.Errorf("%s: PostgreSQL takes it: it belongs to the stricter ones", raw)
				}
			}
			for _, raw := range c.stricter {
				if _, err := pool.Exec(t.Context(), "SELECT "+cast(kind)+" FROM (SELECT $1::text AS raw) AS r", raw); err != nil {
					t.Errorf("%s: PostgreSQL refuses it too: %v", raw, err)
				}
			}
			all := slices.Concat(c.refused, c.stricter)
			failed := failingOf(t, p, bodies(all))
			for i, raw := range all {
				if failed[i] == nil {
					t.Errorf("%s is accepted", raw)
				}
			}
		})
	}
}

func TestTextHoldsListsAndNumbersAsTheyAreWritten(t *testing.T) {
	pool := newPool(t)
	p := newProcessor(t, pool, report(table.Column{Name: "v", Path: "x", Type: "text"}))
	values := []string{`{"b" : [ 1, "x y" ],  "a": "<\u00e9\n>"}`, `[ ]`, `1e3`, `-0.0`, `null`}
	process(t, p, append(bodies(values), save("missing", 1, `{"y": 1}`))...)
	expect(t, query(t, pool, "SELECT coalesce(v, 'NULL') FROM report ORDER BY id"),
		`{"b":[1,"x y"],"a":"<\u00e9\n>"}`, `[]`, `1e3`, `-0.0`, `NULL`, `NULL`)
}

// TestWhateverIsAcceptedConverts tries variations of good values: none may come
// as far as the server and be refused there, or be read as something else.
func TestWhateverIsAcceptedConverts(t *testing.T) {
	pool := newPool(t)
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "0123456789-+:.TZ eEBCinfyNa\"{}"
	for i, kind := range slices.Sorted(maps.Keys(conversions)) {
		t.Run(kind, func(t *testing.T) {
			cfg := report(table.Column{Name: "v", Path: "x", Type: kind})
			cfg.Name = fmt.Sprintf("report_%d", i)
			p := newProcessor(t, pool, cfg)
			samples := conversions[kind].accepted
			var tried []string
			for len(tried) < 400 {
				raw := []byte(samples[random.IntN(len(samples))])
				// The end of a range can be passed by rounding, which is the server's.
				if len(raw) > 100 || strings.Contains(string(raw), "294276") {
					continue
				}
				for range 1 + random.IntN(2) {
					switch at := random.IntN(len(raw)); random.IntN(3) {
					case 0:
						raw[at] = alphabet[random.IntN(len(alphabet))]
					case 1:
						raw = slices.Delete(raw, at, at+1)
					default:
						raw = slices.Insert(raw, at, alphabet[random.IntN(len(alphabet))])
					}
					if len(raw) == 0 {
						raw = []byte("0")
					}
				}
				if json.Valid(raw) {
					tried = append(tried, string(raw))
				}
			}
			for i, err := range failingOf(t, p, bodies(tried)) {
				if strings.Contains(err.Error(), "PostgreSQL refuses") {
					t.Errorf("%s: %v", tried[i], err)
				}
			}
			if kind == "text" { // keeps numbers as they are written
				return
			}
			for _, difference := range query(t, pool, `
				SELECT format('%s: got %s, PostgreSQL says %s', raw, v, `+cast(kind)+`)
				FROM `+cfg.Name+` JOIN unnest($1::text[]) WITH ORDINALITY AS u (raw, n) ON id = 'doc-' || lpad((n - 1)::text, 6, '0')
				WHERE v IS DISTINCT FROM `+cast(kind), tried) {
				t.Error(difference)
			}
			t.Logf("%s of %d values were accepted", query(t, pool, "SELECT count(*) FROM "+cfg.Name)[0], len(tried))
		})
	}
}
