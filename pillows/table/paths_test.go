package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// scan returns what the paths lead to in a body, "" being missing.
func scan(body string, paths ...string) ([]string, error) {
	s := scanner{text: []byte(body), values: make([][]byte, len(paths))}
	err := s.document(newPaths(paths))
	found := make([]string, len(paths))
	for i, v := range s.values {
		found[i] = string(v)
	}
	return found, err
}

func TestPathsLeadToValues(t *testing.T) {
	const body = ` { "a" : 1, "b": {"c": [10, {"d": "x"}, [true]], "": 4}, "n": null,
		"e\u0066": "escaped name", "0": "zero", "é": {} , "list": [ ] } `
	for path, want := range map[string]string{
		"a":       "1",
		"b":       `{"c": [10, {"d": "x"}, [true]], "": 4}`,
		"b.c":     `[10, {"d": "x"}, [true]]`,
		"b.c.0":   "10",
		"b.c.1":   `{"d": "x"}`,
		"b.c.1.d": `"x"`,
		"b.c.2.0": "true",
		"b.c.3":   "",
		"b.c.00":  "",
		"b.c.-1":  "",
		"b.c.d":   "",
		"a.b":     "",
		"n":       "null",
		"n.x":     "",
		"ef":      `"escaped name"`,
		"0":       `"zero"`,
		"é":       "{}",
		"list":    "[ ]",
		"list.0":  "",
		"missing": "",
	} {
		found, err := scan(body, path)
		if err != nil {
			t.Fatal(err)
		}
		if found[0] != want {
			t.Errorf("path %s: got %s, want %s", path, found[0], want)
		}
	}
}

func TestPathsShareOneWalk(t *testing.T) {
	found, err := scan(`{"a": {"b": 1, "c": [2]}}`, "a.b", "a", "a.c.0", "a.b", "x", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1", `{"b": 1, "c": [2]}`, "2", "1", "", ""}; !reflect.DeepEqual(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
}

func TestLastOfMembersWithOneNameCounts(t *testing.T) {
	found, err := scan(`{"a": {"b": 1}, "a": {"c": 2}, "c": 3, "c": 4}`, "a.b", "a.c", "c")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "2", "4"}; !reflect.DeepEqual(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
}

func TestBodyThatIsNoObjectIsRefused(t *testing.T) {
	nested := strings.Repeat("[", maxDepth)
	for _, body := range []string{
		"", " ", "null", "[]", `"x"`, "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{,}`, `{"a":1}}`, `{"a":1} x`, `{a:1}`,
		`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":.5}`, `{"a":+1}`, `{"a":tru}`, `{"a":nul}`, `{"a":True}`,
		"{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"x}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[}`,
		`{"a":` + nested,
	} {
		if _, err := scan(body, "a"); err == nil {
			t.Errorf("body %.40s: no error", body)
		}
	}
}

// lookUp is what a path means, by way of decoding everything.
func lookUp(t *testing.T, body []byte, path string) (any, bool) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch place := v.(type) {
		case map[string]any:
			next, ok := place[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(place) || strconv.Itoa(i) != name {
				return nil, false
			}
			v = place[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func FuzzPaths(f *testing.F) {
	for _, body := range []string{
		`{"a": 1, "b": {"c": [1, 2, {"d": null}]}}`, `{"a":{"b":1},"a":{"c":[]}}`, `{"\u0061": "\ud83d\ude00\ud800"}`,
		`{"a": [[1.5e-3], true, "x\n"]}`, `{}`, `[1]`, `{"a": 1e}`, `{"a": "\u12"}`, "{\"a\": \"\x01\"}", `{"é": -0.0}`,
	} {
		for _, path := range []string{"a", "b.c.2.d", "a.0", "a.b", "é"} {
			f.Add([]byte(body), path)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		if validatePath(path) != nil || strings.Contains(path, "\ufffd") {
			return
		}
		other := "b.c"
		s := scanner{text: body, values: make([][]byte, 2)}
		err := s.document(newPaths([]string{path, other}))
		if object := json.Valid(body) && bytes.TrimLeft(body, " \t\r\n")[0] == '{'; object != (err == nil) {
			t.Fatalf("body %q: an object: %t; error: %v", body, object, err)
		}
		if err != nil {
			return
		}
		for i, path := range []string{path, other} {
			want, ok := lookUp(t, body, path)
			if ok != (s.values[i] != nil) {
				t.Fatalf("body %q, path %q: found %q, want it found: %t", body, path, s.values[i], ok)
			}
			if !ok {
				continue
			}
			dec := json.NewDecoder(bytes.NewReader(s.values[i]))
			dec.UseNumber()
			var got any
			if err := dec.Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("body %q, path %q: found %q (%v), want %v", body, path, s.values[i], err, want)
			}
		}
	})
}

func FuzzUnquote(f *testing.F) {
	for _, text := range []string{`"abc"`, `"\u00e9\n\"\\\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\u0000"`, "\"\xff\"", `"\ud83d\u0041"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, quoted []byte) {
		if !json.Valid(quoted) || quoted[0] != '"' {
			return
		}
		quoted = bytes.TrimRight(quoted, " \t\r\n")
		// Where a string spells U+FFFD it cannot be told from what Unmarshal puts
		// in the place of what is no character.
		if strings.Contains(strings.ToLower(string(quoted)), `\ufffd`) || strings.Contains(string(quoted), "\ufffd") {
			return
		}
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatal(err)
		}
		got, err := unquote(quoted)
		storable := !strings.ContainsAny(want, "\x00\ufffd")
		switch {
		case storable != (err == nil):
			t.Fatalf("unquote %q: error %v, storable: %t", quoted, err, storable)
		case err == nil && string(got) != want:
			t.Fatalf("unquote %q: got %q, want %q", quoted, got, want)
		case (err == nil) != (checkEscapes(quoted) == nil):
			t.Fatalf("unquote %q: %v, and checkEscapes: %v", quoted, err, checkEscapes(quoted))
		}
	})
}

// orderBody is a document as an application might have it: 30 members, about
// 1.3 kB.
func orderBody() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id": "7f3c1c9e", "customer": {"name": "Ada Lovelace", "address": {"city": "London", "country": "UK"}}, "lines": [{"sku": "a", "count": 2}, {"sku": "b", "count": 1}]`)
	for i := range 27 {
		fmt.Fprintf(&b, `, "member_%d": "a value of some length %d"`, i, i)
	}
	b.WriteString(`}`)
	return b.Bytes()
}

var orderPaths = []string{
	"id", "customer.name", "customer.address.city", "lines.0.sku", "lines.1.count",
	"member_0", "member_5", "member_10", "member_26", "missing",
}

func BenchmarkPaths(b *testing.B) {
	body := orderBody()
	root := newPaths(orderPaths)
	values := make([][]byte, len(orderPaths))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		clear(values)
		s := scanner{text: body, values: values}
		if err := s.document(root); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPathsByDecoding is what BenchmarkPaths is measured against.
func BenchmarkPathsByDecoding(b *testing.B) {
	body := orderBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var v map[string]any
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPathsByToken reads the tokens of encoding/json, and does nothing with
// them.
func BenchmarkPathsByToken(b *testing.B) {
	body := orderBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dec := json.NewDecoder(bytes.NewReader(body))
		for {
			_, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
