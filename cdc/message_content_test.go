package cdc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"changefeed"
)

func TestContentOfMessages(t *testing.T) {
	got, err := parseMessage([]byte(" {\n\"suppress\" :true}\t"))
	if err != nil || !got.suppress || got.change != nil {
		t.Errorf("suppress: %+v, %v", got, err)
	}
	got, err = parseMessage([]byte(`{"change": {"topic": "a", "document_id": "\u00e9\"/", "document_type": "", "domain": null,
		"is_deletion": true, "data_source_type": "couch", "data_source_name": "b"}}`))
	want := &messageChange{
		topic: "a", documentID: `é"/`, documentType: changefeed.NewText(""), isDeletion: true,
		dataSourceType: changefeed.NewText("couch"), dataSourceName: changefeed.NewText("b"),
	}
	if diff := cmp.Diff(want, got.change, cmp.AllowUnexported(messageChange{})); diff != "" || err != nil || got.suppress {
		t.Errorf("change: %v\n%s", err, diff)
	}
}

func TestMalformedContentSaysWhatIsWrong(t *testing.T) {
	change := func(members string) string { return `{"change": {` + members + `}}` }
	long := strings.Repeat("x", 3000)
	for _, tt := range []struct{ content, want string }{
		{"", "it is not an object"},
		{"{", "not JSON"},
		{"{\"suppress\": tru", "suppress is not true or false"},
		{"null", "it is not an object"},
		{"\x00{}", "it is not an object"},
		{`{"suppress": true}` + "\x00", "something follows"},
		{`{"suppress": true,}`, "not JSON"},
		{`{,"suppress": true}`, "not JSON"},
		{`{"suppress" true}`, "not JSON"},
		{`{"suppress": true "change"}`, "not JSON"},
		{`{"suppress": truex}`, "not JSON"},
		{"{\"sup\npress\": true}", "not JSON"},
		{`{"\x": true}`, "not JSON"},
		{`{"suppress\`, "not JSON"},
		{`{"suppress\"`, "not JSON"},
		{"[]", "it is not an object"},
		{`"suppress"`, "it is not an object"},
		{"{}", `want {"suppress": true} or`},
		{`{"suppress": false}`, `want {"suppress": true} or`},
		{`{"suppress": null}`, `want {"suppress": true} or`},
		{`{"suppress": "true"}`, "suppress is not true or false"},
		{`{"suppress": 1}`, "suppress is not true or false"},
		{`{"suppress": true, "suppress": true}`, `"suppress" is there twice`},
		{`{"Suppress": true}`, `"Suppress" is not known`},
		{`{"suppress": true} {}`, "something follows"},
		{`{"suppress": true}]`, "something follows"},
		{`{"suppress": true, "change": {"topic": "a", "document_id": "b"}}`, `want {"suppress": true} or`},
		{`{"change": null}`, "change is not an object"},
		{`{"change": [1]}`, "change is not an object"},
		{`{"change": {}}`, "topic is missing"},
		{change(`"topic": "a"`), "document_id is missing"},
		{change(`"topic": "a", "document_id": ""`), "document_id is missing"},
		{change(`"topic": null, "document_id": "b"`), "topic is missing"},
		{change(`"topic": "a", "document_id": 7`), "document_id is not a string"},
		{change(`"topic": "a", "document_id": "b", "domain": {"x": 1}`), "domain is not a string or null"},
		{change(`"topic": "a", "document_id": "b", "domain": "x\u0000"`), "domain holds a zero byte"},
		{change(`"topic": "a", "document_id": "b", "is_deletion": "f"`), "is_deletion is not true or false"},
		{change(`"topic": "a", "document_id": "b", "topic": "c"`), `"topic" is there twice`},
		{change(`"topic": "a", "document_id": "b", "data_source_name": ""`), "data_source_name is empty"},
		{change(`"topic": "a", "document_id": "b", "data_source_type": "orders"`), `data_source_type is "orders": want sql, couch or null`},
		{change(`"topic": "a", "document_id": "b", "document_rev": "1"`), `"document_rev" is not known`},
		{change(`"` + long + `": 1`), `xxx" is not known`},
		{change(`"topic": "a", "document_id": "` + "\xff" + `"`), "not UTF-8"},
		{change(`"topic": "a", "document_id": "` + strings.Repeat("x", maxMessage) + `"`), "want 65536 at most"},
		{strings.Repeat("[", maxMessage), "it is not an object"},
		{change(`"topic": ` + strings.Repeat("[", 60_000)), "topic is not a string"},
	} {
		got, err := parseMessage([]byte(tt.content))
		switch {
		case err == nil:
			t.Errorf("%.100s: no error", tt.content)
		case !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 200:
			t.Errorf("%.100s: error %q, want %q", tt.content, err, tt.want)
		case got != messageContent{}:
			t.Errorf("%.100s: %+v beside an error", tt.content, got)
		}
	}
}

// FuzzMessageContent compares with the standard library's reading of the same
// text: what is accepted is what it reads too.
func FuzzMessageContent(f *testing.F) {
	for _, seed := range []string{
		`{"suppress": true}`, `{"suppress": false, "x": [1, {"y": null}]}`, `{"change": {}}`, `{"change": {"topic": "a", "document_id": "\ud83d\ude00"}}`,
		`{"change": {"topic": "orders", "document_id": "a/b", "document_type": "Order", "document_subtype": null, "domain": "d",
		"is_deletion": false, "data_source_type": "sql", "data_source_name": "main/public.orders"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := parseMessage(content)
		if err != nil {
			if got != (messageContent{}) {
				t.Errorf("%+v beside an error", got)
			}
			return
		}
		var want struct {
			Suppress bool           `json:"suppress"`
			Change   map[string]any `json:"change"`
		}
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&want); err != nil || got.suppress != want.Suppress || got.suppress == (got.change != nil) {
			t.Fatalf("read %+v, want %+v, %v", got, want, err)
		}
		if c := got.change; c != nil {
			read := map[string]any{
				"topic": c.topic, "document_id": c.documentID, "is_deletion": c.isDeletion, "document_type": value(c.documentType),
				"document_subtype": value(c.documentSubtype), "domain": value(c.domain),
				"data_source_type": value(c.dataSourceType), "data_source_name": value(c.dataSourceName),
			}
			for name, have := range read {
				if wanted := want.Change[name]; fmt.Sprint(have) != fmt.Sprint(wanted) && (name != "is_deletion" || wanted != nil) {
					t.Errorf("%s is %v, want %v", name, have, wanted)
				}
			}
			if c.topic == "" || c.documentID == "" {
				t.Errorf("accepted %+v", c)
			}
		}
	})
}

// What a program writes with JSON functions of its own is read back.
func TestContentOfOthersMakingIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just(changefeed.Text{}), rapid.Map(rapid.StringN(1, 20, -1).Filter(func(s string) bool {
			return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
		}), changefeed.NewText))
		want := &messageChange{
			topic:        text.Filter(func(t changefeed.Text) bool { return t.Valid }).Draw(t, "topic").String,
			documentID:   text.Filter(func(t changefeed.Text) bool { return t.Valid }).Draw(t, "id").String,
			documentType: text.Draw(t, "type"), documentSubtype: text.Draw(t, "subtype"), domain: text.Draw(t, "domain"),
			isDeletion: rapid.Bool().Draw(t, "deletion"), dataSourceName: text.Draw(t, "source"),
		}
		content, err := json.MarshalIndent(map[string]any{"change": map[string]any{
			"topic": want.topic, "document_id": want.documentID, "document_type": value(want.documentType), "is_deletion": want.isDeletion,
			"document_subtype": value(want.documentSubtype), "domain": value(want.domain), "data_source_name": value(want.dataSourceName),
		}}, "", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseMessage(content)
		if err != nil {
			t.Fatalf("%s: %v", content, err)
		}
		if diff := cmp.Diff(want, got.change, cmp.AllowUnexported(messageChange{})); diff != "" {
			t.Errorf("%s:\n%s", content, diff)
		}
	})
}

// value is a text as encoding/json reads one.
func value(t changefeed.Text) any {
	if !t.Valid {
		return nil
	}
	return t.String
}

func BenchmarkParseMessage(b *testing.B) {
	content := []byte(`{"change": {"topic": "orders", "document_id": "0190b5c4-7d2e-7cc3-98c4-000000000000", "document_type": "Order", "document_subtype": null,
		"domain": "acme", "is_deletion": false, "data_source_type": "sql", "data_source_name": "main/public.orders"}}`)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseMessage(content); err != nil {
			b.Fatal(err)
		}
	}
}
