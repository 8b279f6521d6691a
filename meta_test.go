package changefeed_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
)

var published = time.Date(2026, 3, 4, 5, 6, 7, 80_000, time.UTC)

func formSave() changefeed.Meta {
	return changefeed.Meta{
		DocumentID:          "95dece4cd7c945ec83c6d2dd04d38673",
		DataSourceType:      changefeed.SourceTypeSQL,
		DataSourceName:      "form-sql",
		DocumentType:        changefeed.NewText("XFormInstance"),
		DocumentSubtype:     changefeed.NewText("http://example.org/ü\"\\\n"),
		Domain:              changefeed.NewText("demo"),
		PublishTimestamp:    published,
		OriginalPublication: published.Add(-time.Minute),
	}
}

func TestEncodingWritesAllTwelveFields(t *testing.T) {
	m := formSave()
	const want = `{"document_id": "95dece4cd7c945ec83c6d2dd04d38673", "document_rev": null, ` +
		`"data_source_type": "sql", "data_source_name": "form-sql", "document_type": "XFormInstance", ` +
		`"document_subtype": "http://example.org/ü\"\\\u000a", "domain": "demo", "is_deletion": false, ` +
		`"publish_timestamp": "2026-03-04T05:06:07.000080Z", "attempts": 0, ` +
		`"original_publication_datetime": "2026-03-04T05:05:07.000080Z", "associated_document_id": null}`
	if diff := cmp.Diff(want, string(m.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestTimesHaveSixDigitsWhateverTheirZone(t *testing.T) {
	m := formSave()
	m.PublishTimestamp = time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	if text := string(m.AppendJSON(nil)); !strings.Contains(text, `"publish_timestamp": "2026-01-01T00:00:00.000000Z"`) {
		t.Errorf("no UTC time with six digits in %s", text)
	}
}

func TestDecodingReadsWhatEncodingWrites(t *testing.T) {
	deletion := formSave()
	deletion.IsDeletion = true
	deletion.Attempts = 3
	deletion.DocumentRev = changefeed.NewText("4-abc")
	deletion.DocumentType, deletion.DocumentSubtype, deletion.Domain = changefeed.Text{}, changefeed.Text{}, changefeed.Text{}
	deletion.AssociatedDocumentID = changefeed.NewText("")
	deletion.Unknown = json.RawMessage(`{"shard": {"n": [1, "}"]}, "why": "\"\\"}`)
	for _, want := range []changefeed.Meta{formSave(), deletion} {
		var got changefeed.Meta
		if err := got.UnmarshalJSON(want.AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDecodingIsLenient(t *testing.T) {
	base := func(change func(*changefeed.Meta)) changefeed.Meta {
		m := changefeed.Meta{DocumentID: "17", DataSourceType: "sql", DataSourceName: "ledger-v1"}
		change(&m)
		return m
	}
	for name, tc := range map[string]struct {
		fields string
		want   changefeed.Meta
	}{
		"only what is required": {``, base(func(*changefeed.Meta) {})},
		"everything null": {
			`, "document_rev": null, "document_type": null, "is_deletion": null, "publish_timestamp": null, "attempts": null`,
			base(func(*changefeed.Meta) {}),
		},
		"strings that look like dates and numbers stay strings": {
			`, "document_type": "2024-01-01", "document_subtype": "12.5", "domain": "10:11:12"`,
			base(func(m *changefeed.Meta) {
				m.DocumentType = changefeed.NewText("2024-01-01")
				m.DocumentSubtype = changefeed.NewText("12.5")
				m.Domain = changefeed.NewText("10:11:12")
			}),
		},
		"a numeric type, as of old": {`, "document_type": 16`, base(func(m *changefeed.Meta) { m.DocumentType = changefeed.NewText("16") })},
		"attempts as a float":       {`, "attempts": 2.0`, base(func(m *changefeed.Meta) { m.Attempts = 2 })},
		"attempts as a boolean":     {`, "attempts": true`, base(func(m *changefeed.Meta) { m.Attempts = 1 })},
		"time without a fraction": {
			`, "publish_timestamp": "2026-03-04T05:06:07Z"`,
			base(func(m *changefeed.Meta) { m.PublishTimestamp = published.Truncate(time.Second) }),
		},
		"time with an offset": {
			`, "publish_timestamp": "2026-03-04T06:06:07.00008+01:00"`,
			base(func(m *changefeed.Meta) { m.PublishTimestamp = published }),
		},
		"escapes in names and values": {
			`, "\u0064omain": "a\u0041\ud83d\ude00"`,
			base(func(m *changefeed.Meta) { m.Domain = changefeed.NewText("aA😀") }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got changefeed.Meta
			text := `{"document_id": 17, "data_source_type": "sql", "data_source_name": "ledger-v1"` + tc.fields + "}\n"
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodingNamesWhatIsWrong(t *testing.T) {
	const source = `"data_source_type": "sql", "data_source_name": "form-sql"`
	for text, want := range map[string]string{
		``:                                     "unexpected end",
		`null`:                                 "not a JSON object",
		`[]`:                                   "not a JSON object",
		`{"document_id": "a"`:                  "unexpected end",
		`{` + source + `}`:                     `"document_id" is missing`,
		`{"document_id": null,` + source + `}`: `"document_id" is missing`,
		`{"document_id": {},` + source + `}`:   "document_id",
		`{"document_id": "a"}`:                 `"data_source_type" is missing`,
		`{"document_id": "a", "is_deletion": "true",` + source + `}`:      "is_deletion",
		`{"document_id": "a", "attempts": 1.5,` + source + `}`:            "attempts",
		`{"document_id": "a", "attempts": "1",` + source + `}`:            "attempts",
		`{"document_id": "a", "publish_timestamp": "now",` + source + `}`: "publish_timestamp",
		`{"document_id": "a", "publish_timestamp": 5,` + source + `}`:     "publish_timestamp",
	} {
		var m changefeed.Meta
		err := m.UnmarshalJSON([]byte(text))
		if !errors.Is(err, changefeed.ErrMeta) || !strings.Contains(err.Error(), want) {
			t.Errorf("decode %s: %v, want ErrMeta with %q", text, err, want)
		}
	}
}

func TestTheSourceNameMayStandInEitherField(t *testing.T) {
	now := changefeed.Meta{DataSourceType: "sql", DataSourceName: "form-sql"}
	old := changefeed.Meta{DataSourceType: "form-sql", DataSourceName: "forms"}
	if !now.HasSource("form-sql") || !old.HasSource("form-sql") || now.HasSource("case-sql") {
		t.Error("HasSource does not look at both fields alone")
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	m := formSave()
	buffer := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buffer = m.AppendJSON(buffer[:0]) }); n != 0 {
		t.Errorf("AppendJSON allocates %v times", n)
	}
}

// FuzzDecode: whatever is read, reading never panics, agrees with encoding/json
// on what is JSON, and what was read is written so that it reads the same.
func FuzzDecode(f *testing.F) {
	m := formSave()
	f.Add(m.AppendJSON(nil))
	f.Add([]byte(`{"document_id": 17, "data_source_type": "form-sql", "data_source_name": "x", "more": [{"a": "}"}], "attempts": 1.0}`))
	f.Add([]byte(` {"document_id":"\ud800","data_source_type":"\\","data_source_name":"\"","domain":"` + "\xff" + `"} `))
	f.Add([]byte(`{"document_id":"a","document_id":"b","":{},"data_source_type":"s","data_source_name":"n","publish_timestamp":"0001-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first changefeed.Meta
		if err := first.UnmarshalJSON(data); err != nil {
			if !errors.Is(err, changefeed.ErrMeta) {
				t.Errorf("error is not ErrMeta: %v", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("read what is not JSON: %q", data)
		}
		written := first.AppendJSON(nil)
		var second changefeed.Meta
		if err := second.UnmarshalJSON(written); err != nil {
			t.Fatalf("%s was written as %s: %v", data, written, err)
		}
		truncate(&first)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s was written as %s:\n%s", data, written, diff)
		}
	})
}

// truncate cuts times to what the contract writes.
func truncate(m *changefeed.Meta) {
	m.PublishTimestamp = m.PublishTimestamp.Truncate(time.Microsecond)
	m.OriginalPublication = m.OriginalPublication.Truncate(time.Microsecond)
}

// FuzzEncode: any strings are written as JSON that every reader understands.
func FuzzEncode(f *testing.F) {
	f.Add("id", "form-sql", "domain", true, int64(0), 0)
	f.Add("\x00\x1f\"\\/", "\u2028", "\xff\xfe", false, int64(1<<50), -5)
	f.Fuzz(func(t *testing.T, id, source, domain string, deletion bool, micros int64, attempts int) {
		at := time.UnixMicro(micros % (1 << 55)).UTC()
		m := changefeed.Meta{
			DocumentID: id, DataSourceType: "sql", DataSourceName: source, Domain: changefeed.NewText(domain),
			IsDeletion: deletion, PublishTimestamp: at, OriginalPublication: at, Attempts: attempts,
		}
		var fields map[string]any
		if err := json.Unmarshal(m.AppendJSON(nil), &fields); err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(mustMarshal(t, id), &want); err != nil {
			t.Fatal(err)
		}
		if fields["document_id"] != want || len(fields) != 12 {
			t.Errorf("id %q was written as %q in %d fields", id, fields["document_id"], len(fields))
		}
	})
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func BenchmarkEncode(b *testing.B) {
	m := formSave()
	buffer := m.AppendJSON(nil)
	b.SetBytes(int64(len(buffer)))
	b.ReportAllocs()
	for b.Loop() {
		buffer = m.AppendJSON(buffer[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	m := formSave()
	text := m.AppendJSON(nil)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}
