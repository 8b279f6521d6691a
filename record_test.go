package changefeed_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed"
)

func logChange() changefeed.Change {
	return changefeed.Change{
		Topic:    "form-sql",
		Meta:     formSave(),
		Position: changefeed.Position{Source: "main", Epoch: 1, LSN: 0x16B374D848, Ordinal: 3},
		Version:  1<<52 | 0x16B374D848,
		XID:      1<<32 | 7,
	}
}

func TestRecordCarriesTheChange(t *testing.T) {
	want := logChange()
	r := changefeed.NewRecord(&want)
	if string(r.Key) != want.Meta.DocumentID {
		t.Errorf("key is %q, want the document id", r.Key)
	}
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	wantHeaders := map[string]string{
		"position": "main/1/00000016B374D848/3", "version": "4503697127430216", "xid": "4294967303",
	}
	if diff := cmp.Diff(wantHeaders, headers); diff != "" {
		t.Error(diff)
	}
	got, err := changefeed.ParseRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordOfAnotherPublisherHasAClockVersion(t *testing.T) {
	stub := `{"document_id": "a", "data_source_type": "sql", "data_source_name": "case-sql", "publish_timestamp": "2026-03-04T05:06:07.000080Z"}`
	got, err := changefeed.ParseRecord(&kgo.Record{Topic: "case-sql", Value: []byte(stub)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != changefeed.ClockVersion(published) || !got.Position.IsZero() || got.XID != 0 {
		t.Errorf("version %d, position %v, xid %d: want the clock's version alone", got.Version, got.Position, got.XID)
	}
	if !got.Meta.OriginalPublication.Equal(published) {
		t.Errorf("original publication is %v, want that of publication", got.Meta.OriginalPublication)
	}
}

func TestRecordWithoutATimestampHasTheBrokers(t *testing.T) {
	stub := `{"document_id": "a", "data_source_type": "couch", "data_source_name": "users"}`
	got, err := changefeed.ParseRecord(&kgo.Record{Value: []byte(stub), Timestamp: published.In(time.FixedZone("", 7200))})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Meta.PublishTimestamp.Equal(published) || got.Version != changefeed.ClockVersion(published) {
		t.Errorf("published %v, version %d: want the record's time", got.Meta.PublishTimestamp, got.Version)
	}
}

func TestParseRecordRefusesWhatIsNoChange(t *testing.T) {
	stub := []byte(`{"document_id": "a", "data_source_type": "sql", "data_source_name": "x"}`)
	header := func(key, value string) []kgo.RecordHeader {
		return []kgo.RecordHeader{{Key: key, Value: []byte(value)}}
	}
	for name, r := range map[string]*kgo.Record{
		"a null value":     {},
		"an empty value":   {Value: []byte{}},
		"no JSON":          {Value: []byte("x")},
		"a wrong position": {Value: stub, Headers: header("position", "main/1")},
		"a wrong version":  {Value: stub, Headers: header("version", "1.5")},
		"a wrong xid":      {Value: stub, Headers: header("xid", "-1")},
	} {
		if _, err := changefeed.ParseRecord(r); !errors.Is(err, changefeed.ErrRecord) {
			t.Errorf("%s: %v, want ErrRecord", name, err)
		}
	}
	if _, err := changefeed.ParseRecord(&kgo.Record{Value: stub, Headers: header("trace", "any")}); err != nil {
		t.Errorf("an unknown header is an error: %v", err)
	}
}

func BenchmarkParseRecord(b *testing.B) {
	c := logChange()
	r := changefeed.NewRecord(&c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := changefeed.ParseRecord(r); err != nil {
			b.Fatal(err)
		}
	}
}
